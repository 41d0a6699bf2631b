"""obstore (Rust's object_store for Python) on every file of a directory, as many at a time as fanout's uploader."""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path

from obstore.store import S3Store

AT_ONCE = 16


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("bucket")
    parser.add_argument("prefix")
    asked = parser.parse_args()
    store = S3Store(
        asked.bucket,
        endpoint=os.environ["AWS_ENDPOINT_URL"],
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
    files = iter(sorted(asked.directory.iterdir()))

    async def work() -> None:
        for path in files:
            await store.put_async(f"{asked.prefix}/{path.name}", path)

    await asyncio.gather(*(work() for _ in range(AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main())
    # obstore's threads outlive the loop, and now and then abort the process (SIGABRT) while Python shuts down under
    # them, with everything stored: leave without that.
    os._exit(0)
