"""Echoes through a server with Python's websockets: text and binary, 0 B to 16 MiB."""

import asyncio
import random
import sys

import websockets


async def main(url):
    async with websockets.connect(url, max_size=None) as connection:
        for size in (0, 1, 125, 126, 127, 65535, 65536, 1 << 20, 16 << 20):
            data = random.Random(size).randbytes(size)
            await connection.send(data)
            assert await connection.recv() == data, f"binary, {size} bytes"
            text = ("aé€🦀" * (size // 10 + 1)).encode()[:size].decode(errors="ignore")
            await connection.send(text)
            assert await connection.recv() == text, f"text, {size} bytes"
        await connection.send(["in ", "three ", "fragments: é"])
        assert await connection.recv() == "in three fragments: é"
        await (await connection.ping(b"payload"))
    assert connection.close_code == 1000, connection.close_code
    try:
        await websockets.connect(url, additional_headers={"Content-Length": "1"})
    except websockets.InvalidStatus as refusal:
        assert refusal.response.status_code == 400
    else:
        raise AssertionError("a request with a body was accepted")


asyncio.run(main(sys.argv[1]))
print(f"{sys.argv[1]}: every message came back")
