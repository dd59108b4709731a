"""What gunicorn serves: a plain WSGI application."""

import time

HELLO = b"Hello, World!"
PIECE = b"m" * 65536


def application(environ, start_response):
    name, *numbers = environ["PATH_INFO"].split("/")[1:]
    numbers = [int(number) for number in numbers]
    if name == "":
        return answer(start_response, HELLO)
    if name == "echo":
        return answer(start_response, environ["wsgi.input"].read())
    if name == "delay":
        time.sleep(numbers[0] / 1000)
        return answer(start_response, HELLO)
    if name == "stream":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return chunks(*numbers)
    if name == "bytes":
        start_response("200 OK", [("Content-Length", str(numbers[0]))])
        return pieces(numbers[0])
    start_response("404 Not Found", [("Content-Length", "0")])
    return [b""]


def answer(start_response, content):
    start_response("200 OK", [("Content-Length", str(len(content)))])
    return [content]


def chunks(count, millis):
    for sent in range(count):
        if sent:
            time.sleep(millis / 1000)
        yield b"chunk %d\n" % sent


def pieces(left):
    while left > 0:
        yield PIECE[:left]
        left -= len(PIECE)
