"""Which page belongs to which step of an interaction."""

from server.pages import consent, enrol_passkey, enrol_totp, register, second_factor, select_account, sign_in
from server.pages.interaction import Pages, handlers
from server.protocol.interaction import Step

PAGES: Pages = {
    Step.SIGN_IN: sign_in.PAGE,
    Step.REGISTER: register.PAGE,
    Step.SELECT_ACCOUNT: select_account.PAGE,
    Step.SECOND_FACTOR: second_factor.PAGE,
    Step.ENROL_TOTP: enrol_totp.PAGE,
    Step.OFFER_TOTP: enrol_totp.PAGE,
    Step.ENROL_PASSKEY: enrol_passkey.PAGE,
    Step.CONSENT: consent.PAGE,
}

show_interaction, take_interaction = handlers(PAGES)
