"""Python's websockets against our examples, as their client or as their server.

Usage: echo.py client URL [COMPRESSION]    checks a server that echoes
       echo.py server [HOW [COMPRESSION]]  serves one connection, on any port

HOW says what the server does:
  check    checks that the client echoes, then closes; this is the default
  invalid  sends text that is not UTF-8, for which the client closes
  drop     goes without a close frame
  echo     echoes until the client closes

COMPRESSION says what is to be agreed on; without it nothing may be:
  alone     messages are compressed, each by itself
  takeover  they may refer to the ones before
  bits      the same, no further back than 1,024 and 2,048 bytes

Prints one line that sums up. Exit code: 0 if all is as it should be, 1 otherwise.
"""

import asyncio
import random
import sys

import websockets
from websockets.extensions import permessage_deflate as deflate

ALONE = {"server_no_context_takeover": True, "client_no_context_takeover": True}
BITS = {"server_max_window_bits": 10, "client_max_window_bits": 11}
# What each side asks for, and what of it the other has to grant.
COMPRESSION = {
    "client": {
        "alone": deflate.ClientPerMessageDeflateFactory(**ALONE),
        "takeover": deflate.ClientPerMessageDeflateFactory(),
        "bits": deflate.ClientPerMessageDeflateFactory(**BITS),
    },
    "server": {
        "alone": deflate.ServerPerMessageDeflateFactory(**ALONE),
        "takeover": deflate.ServerPerMessageDeflateFactory(),
        "bits": deflate.ServerPerMessageDeflateFactory(**BITS),
    },
}


def settings(role, compression):
    """Without compression it is offered all the same, as it is by default."""
    if compression is None:
        return {}
    return {"compression": None, "extensions": [COMPRESSION[role][compression]]}


def check_agreed(connection, compression):
    agreed = connection.protocol.extensions
    assert len(agreed) == (compression is not None), f"agreed on {agreed}"
    for extension in agreed:
        if compression == "alone":
            assert extension.local_no_context_takeover and extension.remote_no_context_takeover
        if compression == "bits":
            # Of a server's wish we hear only what the client has to keep to.
            bits = (extension.local_max_window_bits, extension.remote_max_window_bits)
            assert max(bits) <= 11, f"agreed on {bits} bits"

# Around every form of length, and up to our limit; the same in the other languages.
SIZES = (0, 1, 125, 126, 65535, 65536, 1 << 20, 16 << 20)


def binary(size):
    return random.Random(size).randbytes(size)


def text(size):
    """So many bytes, in characters of every length."""
    return "aé€🦀" * (size // 10) + "x" * (size % 10)


async def check_echo(connection, compression):
    check_agreed(connection, compression)
    # Noise of 16 MiB takes long to compress.
    for size in SIZES if compression is None else SIZES[:-1]:
        for message in (binary(size), text(size)):
            await check_back(connection, [message], connection.send(message))
    for size in (0, 1, 125):
        await (await connection.ping(binary(size)))
    await connection.pong(b"nobody asked")
    for message in (binary(1 << 20), text(1 << 20)):
        is_text = isinstance(message, str)
        data = message.encode() if is_text else message
        await check_back(connection, [message], connection.send(cut(connection, data), text=is_text))
    many = [kind(size) for size in range(0, 10_000, 99) for kind in (binary, text)]
    await check_back(connection, many, send_all(connection, many))


async def check_back(connection, messages, send):
    # Sent meanwhile: the peer may echo the beginning of a message before it has its end.
    sending = asyncio.create_task(send)
    for message in messages:
        kind = type(message).__name__
        assert await connection.recv() == message, f"{kind}, {len(message)} long, came back changed"
    await sending


async def cut(connection, data):
    """Fragments, inside characters too; between them, pings that are answered at once."""
    for start in range(0, len(data), 99_999):
        yield data[start : start + 99_999]
        await (await connection.ping())


async def send_all(connection, messages):
    for message in messages:
        await connection.send(message)


async def client(url, compression=None):
    # Loopback needs no proxy.
    options = settings("client", compression)
    async with websockets.connect(url, max_size=None, proxy=None, **options) as connection:
        await check_echo(connection, compression)
        await connection.close(4000, "enough")
        assert connection.close_code == 4000, f"close was answered with {connection.close_code}"
    async with websockets.connect(url, proxy=None) as connection:
        await connection.send(b"\xff", text=True)
        await check_closed(connection, 1007, "UTF-8")
    try:
        await websockets.connect(url, proxy=None, additional_headers={"Content-Length": "1"})
    except websockets.InvalidStatus as refusal:
        assert refusal.response.status_code == 400, refusal
    else:
        raise AssertionError("a request with a body was accepted")
    return "every message came back; both sides closed; a request with a body was refused"


async def check_closed(connection, code, word=""):
    """Waits until the peer has closed with this code, and a reason with this word in it."""
    await connection.wait_closed()
    code_and_reason = f"closed with {connection.close_code} {connection.close_reason!r}"
    assert connection.close_code == code and word in connection.close_reason, code_and_reason


async def check(connection, compression):
    await check_echo(connection, compression)
    await connection.close(4000, "enough")
    assert connection.close_code == 4000, f"close was answered with {connection.close_code}"
    return "every message came back; we closed"


async def invalid(connection, _):
    await connection.send(b"\xff", text=True)
    await check_closed(connection, 1007, "UTF-8")
    return "text that is not UTF-8 was refused"


async def drop(connection, _):
    await check_back(connection, ["before"], connection.send("before"))
    connection.transport.abort()
    return "we went without a close frame"


async def echo(connection, _):
    async for message in connection:
        await connection.send(message)
    await check_closed(connection, 1000)
    return "the client closed"


async def server(how="check", compression=None):
    serve = {"check": check, "invalid": invalid, "drop": drop, "echo": echo}[how]
    summary = asyncio.get_running_loop().create_future()

    async def serve_one(connection):
        try:
            summary.set_result(await serve(connection, compression))
        except Exception as error:
            summary.set_exception(error)

    options = settings("server", compression)
    async with websockets.serve(serve_one, "127.0.0.1", 0, max_size=None, **options) as listener:
        host, port = listener.sockets[0].getsockname()
        print(f"listening on ws://{host}:{port}/", flush=True)
        return await summary


role, *rest = sys.argv[1:] or ["--help"]
if role not in ("client", "server"):
    sys.exit(__doc__)
try:
    print(asyncio.run({"client": client, "server": server}[role](*rest)))
except Exception as error:
    sys.exit(f"error: {type(error).__name__}: {error}")
