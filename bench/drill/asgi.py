"""What uvicorn serves: a plain ASGI application."""

import asyncio

HELLO = b"Hello, World!"
PIECE = b"m" * 65536


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    name, *numbers = scope["path"].split("/")[1:]
    numbers = [int(number) for number in numbers]
    if name == "":
        await answer(send, HELLO)
    elif name == "echo":
        await answer(send, await content(receive))
    elif name == "delay":
        await asyncio.sleep(numbers[0] / 1000)
        await answer(send, HELLO)
    elif name == "stream":
        await begin(send, [(b"content-type", b"text/plain")])
        for sent in range(numbers[0]):
            if sent:
                await asyncio.sleep(numbers[1] / 1000)
            await more(send, b"chunk %d\n" % sent)
        await more(send, b"", last=True)
    elif name == "bytes":
        left = numbers[0]
        await begin(send, [(b"content-length", b"%d" % left)])
        while left > 0:
            await more(send, PIECE[:left], last=left <= len(PIECE))
            left -= len(PIECE)
    else:
        await answer(send, b"", status=404)


async def content(receive):
    whole = b""
    while True:
        message = await receive()
        whole += message.get("body", b"")
        if not message.get("more_body"):
            return whole


async def answer(send, whole, status=200):
    await begin(send, [(b"content-length", b"%d" % len(whole))], status)
    await more(send, whole, last=True)


async def begin(send, headers, status=200):
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def more(send, piece, last=False):
    await send({"type": "http.response.body", "body": piece, "more_body": not last})
