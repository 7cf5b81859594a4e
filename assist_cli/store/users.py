"""Users of the web console, with the hashes of their passwords."""

from __future__ import annotations

from assist_cli import codes
from assist_cli.errors import Conflict, NotFound
from assist_cli.model.access import User
from assist_cli.store.database import Reader, Transaction
from assist_cli.store.principals import COLUMNS, user_of, values_of


def add(transaction: Transaction, user: User, password: str) -> None:
    """Write a user with the hash of a password. Raises Conflict when the name is taken."""
    if transaction.first("SELECT 1 FROM users WHERE name = ?", [user.name]) is not None:
        raise Conflict(
            f"cannot add a user {user.name!r}: there is one",
            code=codes.USER_NAME_EXISTS,
            hint="choose another name, or remove that user: assist user remove NAME",
        )
    transaction.execute(
        f"INSERT INTO users ({COLUMNS}, password) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - a constant
        [*values_of(user), password],
    )


def listing(reader: Reader) -> list[User]:
    """Return all users by name."""
    return [user_of(row) for row in reader.query("SELECT * FROM users ORDER BY name")]


def find(reader: Reader, name: str) -> User:
    """Return the user with exactly this name. Raises NotFound."""
    row = reader.first("SELECT * FROM users WHERE name = ?", [name])
    if row is None:
        raise NotFound(f"cannot find a user {name!r}", hint="assist user list shows all users")
    return user_of(row)


def with_password(reader: Reader, name: str) -> tuple[User, str] | None:
    """Return the user with exactly this name, and the hash of the password."""
    row = reader.first("SELECT * FROM users WHERE name = ?", [name])
    return None if row is None else (user_of(row), row["password"])


def set_password(transaction: Transaction, user_id: str, password: str) -> None:
    """Replace the hash of a password."""
    transaction.execute("UPDATE users SET password = ? WHERE id = ?", [password, user_id])
