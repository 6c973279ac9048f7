"""The routers that fastapi-users publishes, all of them, with JSON web tokens and accounts in SQLite. Run by itself it makes the accounts."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import Depends, FastAPI
from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
from fastapi_users.db import SQLAlchemyBaseUserTableUUID, SQLAlchemyUserDatabase
from fastapi_users.schemas import BaseUser, BaseUserCreate, BaseUserUpdate
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase

HERE = Path(__file__).resolve().parent
KEY = (HERE / "secrets" / "key").read_text(encoding="utf-8")
ENGINE = create_async_engine(f"sqlite+aiosqlite:///{HERE / 'accounts.sqlite3'}")
SESSIONS = async_sessionmaker(ENGINE, expire_on_commit=False)


class Base(DeclarativeBase):
    """Every table."""


class User(SQLAlchemyBaseUserTableUUID, Base):
    """An account."""


class Accounts(UUIDIDMixin, BaseUserManager[User, uuid.UUID]):
    """Accounts with tokens for resets and verifications."""

    reset_password_token_secret = verification_token_secret = KEY


async def accounts() -> AsyncIterator[Accounts]:
    """The accounts, over a session with the database."""
    async with SESSIONS() as session:
        yield Accounts(SQLAlchemyUserDatabase(session, User))


def strategy() -> JWTStrategy[User, uuid.UUID]:
    """Tokens for an hour, signed with one key."""
    return JWTStrategy(secret=KEY, lifetime_seconds=3600)


backend = AuthenticationBackend("jwt", BearerTransport("auth/jwt/login"), strategy)
users = FastAPIUsers[User, uuid.UUID](accounts, [backend])
app = FastAPI(title="Accounts", generate_unique_id_function=lambda route: route.name)
Read, Create, Update = BaseUser[uuid.UUID], BaseUserCreate, BaseUserUpdate
SUPERUSER = Depends(users.current_user(active=True, superuser=True))
app.include_router(users.get_auth_router(backend), prefix="/auth/jwt", tags=["auth"])
app.include_router(users.get_register_router(Read, Create), prefix="/auth", tags=["auth"])
app.include_router(users.get_reset_password_router(), prefix="/auth", tags=["auth"])
app.include_router(users.get_verify_router(Read), prefix="/auth", tags=["auth"])
app.include_router(users.get_users_router(Read, Update), prefix="/users", tags=["users"])


@app.get("/notices", name="listNotices", responses={401: {}, 403: {}})
async def notices(user: User = SUPERUSER) -> dict[str, str]:
    """What superusers only are shown: an operation of the application itself."""
    return {"notice": f"{user.email} may do everything"}


async def prepare(given: dict[str, list[str]]) -> None:
    """Make the table, and the accounts by name with identifier, password and whether they may do everything."""
    async with ENGINE.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with SESSIONS() as session:
        made = Accounts(SQLAlchemyUserDatabase(session, User))
        for name, (identifier, password, superuser) in given.items():
            hashed = made.password_helper.hash(password)
            user = User(id=uuid.UUID(identifier), email=f"{name}@example.com", hashed_password=hashed, is_active=True)
            user.is_superuser, user.is_verified = superuser == "yes", True
            session.add(user)
        await session.commit()
    await ENGINE.dispose()


async def expired(identifier: str) -> str:
    """A token of an account that has expired."""
    async with SESSIONS() as session:
        user = await SQLAlchemyUserDatabase(session, User).get(uuid.UUID(identifier))
        token: str = await JWTStrategy(secret=KEY, lifetime_seconds=-60).write_token(user)
    await ENGINE.dispose()
    return token


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    asyncio.run(prepare(asked))
    print(asyncio.run(expired(asked["ada"][0])), end="")
