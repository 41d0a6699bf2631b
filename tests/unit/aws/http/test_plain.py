"""What counts as the plain way to AWS: only what is known to change nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from support.settings import aws_settings

from fanout.aws.http.plain import PlainAws, plain_aws
from fanout.aws.http.sigv4 import Keys

PAIR = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S"}
BARE = {"AWS_REGION": "eu-west-1"}
KEYS = Keys("A", "S", None)


def found(tmp_path, environ=BARE, **settings):
    return plain_aws(aws_settings(**settings), {"HOME": str(tmp_path), **environ})


@pytest.mark.parametrize(
    ("environ", "plain"),
    [
        (BARE | PAIR, PlainAws("eu-west-1", None, None, KEYS)),
        ({"AWS_DEFAULT_REGION": "us-east-1"} | PAIR, PlainAws("us-east-1", None, None, KEYS)),
        ({"AWS_DEFAULT_REGION": "us-east-1"} | BARE, PlainAws("eu-west-1", None, None, None)),
        (BARE | PAIR | {"AWS_SESSION_TOKEN": "T"}, PlainAws("eu-west-1", None, None, Keys("A", "S", "T"))),
        (BARE | {"AWS_ACCESS_KEY_ID": "A"}, PlainAws("eu-west-1", None, None, None)),
        (BARE | {"AWS_CA_BUNDLE": "/ca.pem"}, PlainAws("eu-west-1", None, "/ca.pem", None)),
        (BARE | {"AWS_ENDPOINT_URL": "http://a:1"}, PlainAws("eu-west-1", "http://a:1", None, None)),
        (BARE | {"AWS_BATCH_JOB_ID": "1", "AWS_ROLE_ARN": "r", "NO_PROXY": "*"},
         PlainAws("eu-west-1", None, None, None)),
        (BARE | {"https_proxy": ""}, PlainAws("eu-west-1", None, None, None)),
    ],
)  # fmt: skip
def test_what_the_environment_comes_to(tmp_path, environ, plain):
    assert found(tmp_path, environ) == plain


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_REGION": "cn-north-1"},
        {"AWS_REGION": "us-gov-west-1"},
        {"AWS_REGION": "no such region"},
        *(BARE | {name: "x"} for name in (
            "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT",
            "AWS_ENDPOINT_URL_S3", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_DATA_PATH", "AWS_SECURITY_TOKEN",
            "AWS_CREDENTIAL_EXPIRATION", "AWS_ACCOUNT_ID_ENDPOINT_MODE", "AWS_OF_TOMORROW", "HTTP_PROXY", "https_proxy",
            "ALL_PROXY",
        )),
        *(BARE | {"AWS_ENDPOINT_URL": url} for url in (
            "", "nonsense", "http://127.0.0.1:4566/all", "https://[::1]:9000", "http://a:b@host", "ftp://a", "http://",
            "http://a:99999", "https://vpce-1.s3.us-east-1.vpce.amazonaws.com", "http://a_b", "http://a?b",
        )),
        BARE | {"AWS_CA_BUNDLE": ""},
    ],
)  # fmt: skip
def test_what_is_left_to_botocore(tmp_path, environ):
    assert found(tmp_path, environ) is None


def test_a_server_of_its_own_may_have_any_region(tmp_path):
    plain = found(tmp_path, {"AWS_REGION": "cn-north-1", "AWS_ENDPOINT_URL": "http://a:1"})
    assert plain == PlainAws("cn-north-1", "http://a:1", None, None)


def test_settings_come_before_the_environment(tmp_path):
    settings = {
        "region": "us-west-2",
        "endpoint_url": "http://b",
        "access_key_id": "B",
        "secret_access_key": "C",
    }
    assert found(tmp_path, BARE | PAIR, **settings) == PlainAws("us-west-2", "http://b", None, Keys("B", "C"))


@pytest.mark.parametrize("settings", [{"profile": "work"}, {"client": "aiobotocore"}])
def test_a_profile_and_the_other_client_are_botocores(tmp_path, settings):
    assert found(tmp_path, **settings) is None


@pytest.mark.parametrize(
    ("config", "region"),
    [
        ("", "eu-west-1"),
        ("[default]\nregion = us-east-2\noutput = json\n", "us-east-2"),
        ("[profile work]\nrole_arn = x\n", "eu-west-1"),
        ("[profile default]\nregion = us-east-2\n", "us-east-2"),
    ],
)
def test_a_default_profile_that_says_little_is_read(tmp_path, config, region):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws/config").write_text(config)
    (tmp_path / ".aws/credentials").write_text(
        "[default]\naws_access_key_id = A\naws_secret_access_key = B\n"
    )
    said = {} if "us-east-2" in config else {"AWS_DEFAULT_REGION": "eu-west-1"}
    assert found(tmp_path, said) == PlainAws(region, None, None, None)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("config", "[default]\nuse_fips_endpoint = true\n"),
        ("config", "[default]\nendpoint_url = http://a\n"),
        ("config", "[default]\ns3 =\n  addressing_style = path\n"),
        ("config", "[default]\nregion = us-east-1\n  odd = 1\n"),
        ("config", "[default]\nregion = us-east-1\n[profile default]\nregion = us-east-2\n"),
        ("config", "[profile work\n"),
        ("config", "\xff"),
        ("credentials", "[default]\nregion = us-east-1\n"),
        ("credentials", "[default]\ncredential_process = x\n"),
    ],
)
def test_a_profile_that_says_more_is_botocores(tmp_path, name, text):
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / name).write_bytes(text.encode("latin-1"))
    assert found(tmp_path) is None


def test_files_stand_where_their_variables_say(tmp_path):
    (tmp_path / "there").write_text("[default]\nuse_fips_endpoint = true\n")
    assert found(tmp_path, BARE | {"AWS_CONFIG_FILE": str(tmp_path / "there")}) is None
    assert found(tmp_path, BARE | {"AWS_CONFIG_FILE": str(tmp_path / "nowhere")}) is not None


def test_service_models_of_the_users_own_are_botocores(tmp_path):
    (tmp_path / ".aws/models").mkdir(parents=True)
    assert found(tmp_path) is None


def test_opening_the_plain_way_imports_neither_botocore_nor_aiohttp(tmp_path):
    """With every way of calling AWS imported and open."""
    code = (
        "import asyncio, sys\n"
        "from fanout.aws.session import open_cloud\n"
        "from support.settings import aws_settings\n"
        "async def main():\n"
        "    async with open_cloud(aws_settings()) as cloud:\n"
        "        cloud.queue('https://q')\n"
        "asyncio.run(main())\n"
        "print({name.partition('.')[0] for name in sys.modules} & {'botocore', 'aiobotocore', 'aiohttp'})\n"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    said = subprocess.run(
        [sys.executable, "-c", code],
        env=kept | BARE | PAIR | {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "set()\n"
