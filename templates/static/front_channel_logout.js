// Goes back to the application once every frame has been told, or after a moment if one does not answer.
// It runs before the frames are there, so that none of their load events is missed.
(() => {
  const longestWait = 4000;
  let loaded = 0;
  let isParsed = false;
  const goOn = () => {
    const link = document.getElementById("continue");
    if (link) location.replace(link.href);
  };
  const check = () => {
    if (isParsed && loaded >= document.querySelectorAll("iframe").length) goOn();
  };
  document.addEventListener("load", (event) => {
    if (event.target instanceof HTMLIFrameElement) {
      loaded += 1;
      check();
    }
  }, true);
  document.addEventListener("DOMContentLoaded", () => {
    isParsed = true;
    check();
    setTimeout(goOn, longestWait);
  });
})();
