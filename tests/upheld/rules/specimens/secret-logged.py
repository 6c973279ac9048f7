import logging

log = logging.getLogger(__name__)


def exchange(code, access_token, member, account):
    log.info("exchanged a code for %s", account)
    log.debug("exchanged %s for %s", code, access_token)  # bad
    log.info("member %s", member.password)  # bad
    log.error(f"sign-up failed with {access_token}")  # bad
    log.info("the token of %s was rotated", account)
    print("token:", access_token)  # bad
    print("done")
