"""A client in another language: Hello and Pull over mutual TLS, with nothing of ours but the .proto files.

usage: hello_pull.py PROTO_DIR PKI_DIR HOST:PORT SERVER_NAME SITE_HEX

Prints one JSON object. The generated stubs go to a temporary folder.
"""

import importlib
import json
import os
import sys
import tempfile

import grpc
import zstandard
from grpc_tools import protoc


def stubs(proto_dir, out):
    files = ["lianbo/v1/entry.proto", "lianbo/v1/record.proto", "lianbo/v1/sync.proto"]
    code = protoc.main(
        ["protoc", f"-I{proto_dir}", f"--python_out={out}", f"--grpc_python_out={out}", *files]
    )
    if code != 0:
        sys.exit(f"protoc ended with {code}")
    sys.path.insert(0, out)
    return [
        importlib.import_module(f"lianbo.v1.{name}")
        for name in ("entry_pb2", "record_pb2", "sync_pb2", "sync_pb2_grpc")
    ]


def decompress(frame):
    return zstandard.ZstdDecompressor().decompress(frame, max_output_size=8 << 20)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main():
    proto_dir, pki, address, name, site = sys.argv[1:]
    with tempfile.TemporaryDirectory() as out:
        entry, record, sync, sync_grpc = stubs(proto_dir, out)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=read(os.path.join(pki, "ca.crt")),
            private_key=read(os.path.join(pki, "tls.key")),
            certificate_chain=read(os.path.join(pki, "tls.crt")),
        )
        options = [("grpc.ssl_target_name_override", name)]
        with grpc.secure_channel(address, credentials, options) as channel:
            hub = sync_grpc.SyncStub(channel)
            hello = hub.Hello(
                sync.HelloRequest(
                    protocol=1, site=bytes.fromhex(site), incarnation=os.urandom(16)
                ),
                timeout=10,
            )
            titles, cursors = [], []
            cursor = b""
            while True:
                answer = hub.Pull(
                    sync.PullRequest(lane=entry.LANE_CONTENT, cursor=cursor, max_bytes=1),
                    timeout=10,
                )
                if answer.frame:
                    batch = entry.Batch.FromString(decompress(answer.frame))
                    for it in batch.entries:
                        body = record.Record.FromString(it.body)
                        if body.WhichOneof("kind") == "article":
                            titles.append(body.article.title)
                cursor = answer.cursor
                cursors.append(len(cursor))
                if not answer.more:
                    break
            try:
                hub.Pull(sync.PullRequest(lane=entry.LANE_CONTENT, cursor=b"x"), timeout=10)
                refused = "nothing"
            except grpc.RpcError as error:
                refused = error.code().name
        print(
            json.dumps(
                {
                    "outcome": sync.HelloOutcome.Name(hello.outcome),
                    "hub": hello.site.hex(),
                    "titles": titles,
                    "cursors": cursors,
                    "refused": refused,
                }
            )
        )


main()
