"""Which addresses are public: C076."""

from ipaddress import ip_address

import pytest

from server.outbound.addresses import is_public


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1", "0.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.9", "192.88.99.1", "240.0.0.1",
        "::1", "::", "fc00::1", "fe80::1", "ff02::1", "ff0e::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:db8::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
        "64:ff9b:1::7f00:1", "64:ff9b:1::101:101", "::127.0.0.1", "::10.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1",
        "fec0::1", "5f00::1", "3fff::1", "3fff:fff::1", "100::1", "4000::1", "2001:2::1", "2001:10::1", "2001:20::1",
        "fe80::1%eth0", "1::1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_told(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "93.184.215.14", "2606:4700::1111", "2001:4860:4860::8888", "2a00:1450::1", "3ffe::1",
        "64:ff9b::101:101", "2002:101:101::1", "::ffff:1.1.1.1",
    ],
)  # fmt: skip
def test_what_is_public_is_told(address: str) -> None:
    assert is_public(ip_address(address))
