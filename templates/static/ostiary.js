// Small comforts. Every page works without them.
"use strict";
for (const button of document.querySelectorAll(".show-password")) {
  const input = document.getElementById(button.getAttribute("aria-controls"));
  button.hidden = false;
  button.addEventListener("click", () => {
    const hide = input.type === "text";
    input.type = hide ? "password" : "text";
    button.textContent = hide ? button.dataset.show : button.dataset.hide;
    button.setAttribute("aria-label", hide ? button.dataset.showLabel : button.dataset.hideLabel);
    input.focus();
  });
}
for (const button of document.querySelectorAll(".copy")) {
  const source = document.getElementById(button.dataset.copy);
  if (!navigator.clipboard || !source) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    const lines = [...source.querySelectorAll("code")].map((code) => code.textContent);
    await navigator.clipboard.writeText(lines.length ? lines.join("\n") : source.textContent.replaceAll(" ", ""));
    button.textContent = button.dataset.done;
  });
}
const alert = document.querySelector('[role="alert"]');
if (alert) alert.focus();
