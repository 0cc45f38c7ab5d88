"""A stranger's harvester: List over mutual TLS, with nothing of ours but the .proto files.

usage: harvest.py PROTO_DIR PKI_DIR HOST:PORT SERVER_NAME

Prints one JSON object. The generated stubs go to a temporary folder.
"""

import importlib
import json
import os
import sys
import tempfile

import grpc
from grpc_tools import protoc


def stubs(proto_dir, out):
    files = ["lianbo/v1/entry.proto", "lianbo/v1/harvest.proto"]
    code = protoc.main(
        ["protoc", f"-I{proto_dir}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    )
    if code != 0:
        sys.exit(f"protoc ended with {code}")
    sys.path.insert(0, out)
    names = ("harvest_pb2", "harvest_pb2_grpc")
    return [importlib.import_module(f"lianbo.v1.{name}") for name in names]


def read(path):
    with open(path, "rb") as file:
        return file.read()


def plain(item):
    if item.WhichOneof("kind") == "withdrawn":
        return {"withdrawn": item.withdrawn.id, "reason": item.withdrawn.reason}
    it = item.article
    fields = ("id", "title", "html", "text", "unit_name", "source", "author", "published_ms")
    return {name: getattr(it, name) for name in fields}


def main():
    proto_dir, pki, address, name = sys.argv[1:]
    with tempfile.TemporaryDirectory() as out:
        harvest, harvest_grpc = stubs(proto_dir, out)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read(os.path.join(pki, "ca.crt")),
            private_key=read(os.path.join(pki, "tls.key")),
            certificate_chain=read(os.path.join(pki, "tls.crt")),
        )
        options = [("grpc.ssl_target_name_override", name)]
        with grpc.secure_channel(address, credentials, options) as channel:
            hub = harvest_grpc.HarvestStub(channel)
            items, cursor, pages = [], b"", 0
            while True:
                page = hub.List(harvest.HarvestRequest(cursor=cursor, limit=1), timeout=10)
                items += [plain(item) for item in page.items]
                cursor, pages = page.cursor, pages + 1
                if not page.more:
                    break
            stream = hub.Follow(harvest.HarvestRequest(), timeout=10)
            followed = [plain(item) for item in next(stream).items]
            stream.cancel()
        print(json.dumps({"items": items, "pages": pages, "followed": followed}))


main()
