"""How the deployment's own people work: the API of their console, how they log in, and what reading and emergencies ask for."""

from __future__ import annotations

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from upheld.target.access import RoleChange
from upheld.target.api import Account, Answers, Api, Totp
from upheld.target.parts import LocalPattern, Name, Part, Place, Template


class LoginStep(Part):
    """One request of a login.

    `gives` says where its JSON answer holds what later steps send, by name (`challenge: /challenge`): a JSON pointer, or a JSONPath
    query (RFC 9535, begins with `$`). In the body the identity's values and secrets, what earlier steps gave and `{code}` (the second
    factor's code) are filled in.
    """

    operation: Name
    json_body: Template = Field(alias="json")
    gives: dict[str, Place] = {}


class StaffLogin(Part):
    """How an account of staff gets a session: a request for each factor.

    `token` is where the last answer holds the session, and `expires_in` its lifetime in seconds: JSON pointers or JSONPath queries. `header` and `value` say how it is sent. `ends` is the operation that logs out, `unauthenticated` what is answered to
    whoever has no session.
    """

    steps: tuple[LoginStep, ...] = Field(min_length=1)
    token: Place
    expires_in: Place = "/expires_in"
    header: str = "Authorization"
    value: str = "Bearer {session}"
    ends: Name | None = None
    unauthenticated: Answers = Answers(statuses=(401,))


class StaffIdentity(Account):
    """An account of staff that the harness may use; one that is `disabled` must not work any more and is not used."""

    disabled: bool = False


class StaffAccounts(Part):
    """The operation that lists the accounts, and where an item says what: pointers into it.

    `kind` is how the API's parameters call an account. `items` points to the list in the answer. `disabled` points to something that is neither null nor false for an account
    that cannot log in.
    """

    operation: Name
    kind: Name = "account"
    items: str = ""
    id: str = "/id"
    account: str = "/email"
    enrolled: str
    disabled: str | None = None


class Reading(Part):
    """How staff reads one object of a customer (`kind`, of `api.objects`) with a reason.

    `reason` is the property of the body that holds it, `good` one that must do, `poor` ones that must not: what people write
    who have none.
    """

    operation: Name
    kind: Name
    reason: str
    good: str
    poor: tuple[str, ...] = ()


class Reset(Part):
    """How a password is set anew: asking for a link, and using it; the bodies stand in the API's recipes.

    In these `{token}` is what the link carries, `{code}` the second factor's code. `mail` is a pattern of files, relative to this
    file, that each hold one message (RFC 5322), `link` a regular expression whose group finds the token in it.
    """

    request: Name
    complete: Name
    mail: LocalPattern
    link: str


class BreakGlass(Part):
    """Emergency access: the operations of its life in order, of which `use` is what it allows.

    `kind` is how the API's parameters call a session, `id` where the answer to the request holds its identifier. `ticket` is
    the body's property that names the ticket; without one nothing may be had.
    """

    request: Name
    approve: Name
    start: Name
    use: Name | None = None
    end: Name
    kind: Name = "break_glass"
    id: str = "/id"
    ticket: str = "ticket"


class Staff(Part):
    """A second API of the deployment, for its own people. `api` is described as the customers' API is.

    In its recipes `{role}` is the role of the account that an operation is tried on, so that giving it changes nothing. `me` is an operation that answers whoever has a session, and `my_id` where it tells the account's identifier. `roles` says
    which roles may call each operation that needs a session, `actions` how the audit log calls each privileged operation.
    """

    api: Api
    login: StaffLogin
    totp: Totp = Totp()
    identities: tuple[StaffIdentity, ...] = ()
    me: Name
    my_id: str = "/id"
    accounts: StaffAccounts | None = None
    reading: Reading | None = None
    reset: Reset | None = None
    break_glass: BreakGlass | None = None
    role_change: RoleChange | None = None
    """How an account is given another role; `kind` is what the parameters call the account."""
    roles: dict[str, tuple[str, ...]] = {}
    actions: dict[str, str] = {}

    @model_validator(mode="after")
    def _names_differ(self) -> Staff:
        names = [one.name for one in self.identities]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise PydanticCustomError("duplicate", "two staff identities are called {name}", {"name": twice[0]})
        return self
