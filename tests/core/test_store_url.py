"""The store's address: what it says, and what is refused by name."""

import pytest

from app.core.store_url import StoreAddress, StoreKind, parse_store_url

SERVER, CLUSTER, SENTINEL, SOCKET = (
    StoreKind.SERVER,
    StoreKind.CLUSTER,
    StoreKind.SENTINEL,
    StoreKind.SOCKET,
)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("redis://store.example", StoreAddress(kind=SERVER, hosts=(("store.example", 6379),))),
        ("redis:///2", StoreAddress(kind=SERVER, hosts=(("localhost", 6379),), db=2)),
        (
            "redis://[2001:db8::1]:7000?db=3",
            StoreAddress(kind=SERVER, hosts=(("2001:db8::1", 7000),), db=3),
        ),
        (
            "rediss://ann:p%40ss%2Fw%23rd@store:6380/1?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=no&ssl_min_version=TLSv1.3",
            StoreAddress(
                kind=SERVER,
                tls=True,
                hosts=(("store", 6380),),
                db=1,
                options={
                    "username": "ann",
                    "password": "p@ss/w#rd",
                    "ssl_ca_certs": "/etc/ca.pem",
                    "ssl_check_hostname": False,
                    "ssl_min_version": 0x0304,
                },
            ),
        ),
        (
            "redis+cluster://a:7000,b:7001,[::1]:7002",
            StoreAddress(kind=CLUSTER, hosts=(("a", 7000), ("b", 7001), ("::1", 7002))),
        ),
        ("redis+cluster://a", StoreAddress(kind=CLUSTER, hosts=(("a", 6379),))),
        (
            "redis+sentinel://:secret@a:26379,b/signoff/0?sentinel_username=watch&sentinel_password=x%20y",
            StoreAddress(
                kind=SENTINEL,
                hosts=(("a", 26379), ("b", 26379)),
                service="signoff",
                options={"password": "secret"},
                sentinel_options={"username": "watch", "password": "x y"},
            ),
        ),
        (
            "rediss+sentinel://a/signoff",
            StoreAddress(kind=SENTINEL, tls=True, hosts=(("a", 26379),), service="signoff"),
        ),
        ("unix:///run/valkey.sock?db=4", StoreAddress(kind=SOCKET, path="/run/valkey.sock", db=4)),
        (
            "unix://ann:x@/run/valkey.sock",
            StoreAddress(
                kind=SOCKET, path="/run/valkey.sock", options={"username": "ann", "password": "x"}
            ),
        ),
    ],
)
def test_an_address_is_read(text: str, url: StoreAddress) -> None:
    assert parse_store_url(text) == url


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "http://store",
            "the scheme must be one of redis, redis\\+cluster, redis\\+sentinel, rediss",
        ),
        ("nonsense", "the scheme must be one of"),
        (
            "rediss://store?ssl_ca_cert=/etc/ca.pem",
            "no parameter ssl_ca_cert; did you mean ssl_ca_certs",
        ),
        ("rediss://store?ssl_cert_file=/etc/c.pem", "did you mean ssl_certfile"),
        ("rediss://store?ssl_key=/etc/c.pem", "did you mean ssl_keyfile"),
        ("rediss://store?ca=/etc/ca.pem", "no parameter ca; known are client_name, db"),
        ("redis://store?ssl_ca_certs=/etc/ca.pem", "ssl_ca_certs needs TLS: begin with rediss"),
        ("redis://store?socket_timeout=9", "socket_timeout cannot be set"),
        ("redis://store?protocol=3", "protocol cannot be set"),
        ("redis://store?sentinel_password=x", "no parameter sentinel_password"),
        ("rediss://store?ssl_keyfile=/etc/k.pem", "ssl_keyfile needs ssl_certfile"),
        ("rediss://store?ssl_check_hostname=perhaps", "ssl_check_hostname must be true or false"),
        (
            "rediss://store?ssl_cert_reqs=never",
            "ssl_cert_reqs must be one of none, optional, required",
        ),
        ("rediss://store?ssl_min_version=1", "ssl_min_version must be one of TLSv1.2, TLSv1.3"),
        ("redis://store?db=1&db=2", "db stands there twice"),
        ("redis://store?client_name=", "client_name is empty"),
        ("redis://a,b", "several hosts need"),
        ("redis://store:port", "the port of store must be a number"),
        ("redis://store:0", "the port of store must be a number"),
        ("redis://store:70000", "the port of store must be a number"),
        ("redis://::1:6379", "write each host as HOST:PORT"),
        ("redis://[::1", "write each host as HOST:PORT"),
        ("redis://a b", "write each host as HOST:PORT"),
        ("redis+cluster://", "write each host as HOST:PORT"),
        ("redis+cluster://a,", "write each host as HOST:PORT"),
        ("redis+cluster://a/1", "a cluster has database 0 only"),
        ("redis+sentinel://a", "name the service"),
        ("redis+sentinel://a/signoff/zero", "the database must be a number"),
        ("redis+sentinel://a/signoff/0/1", "the path has too many parts"),
        ("redis://store/1?db=2", "more than once"),
        ("redis://store/x", "the database must be a number"),
        ("redis://ann:pa#ss@store", "write '#'"),
        ("unix://", "write the path of the socket"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as refusal:
        parse_store_url(text)

    assert "pa#ss" not in str(refusal.value)
