"""Error messages of well-known libraries and servers, in pairs: which are of one cause, and which aren't.

The wordings are those of psycopg and PostgreSQL, requests and urllib3, CPython, the JVM, Jackson, Spring, Kafka's producer,
Oracle and Redis, as their bug reports quote them; the names in them are of orders.
"""

from __future__ import annotations

import pytest

from flowtrail_collector.causes import cause_of

SAME = {
    "rows that PostgreSQL refuses": (
        'null value in column "task_id" violates not-null constraint\nDETAIL:  Failing row contains (183, null, FAILURE, application/json, {"exc_type": "ChordError"}, null).',
        'null value in column "task_id" violates not-null constraint\nDETAIL:  Failing row contains (217, null, STARTED, text/plain, gAJjY2VsZXJ5Li4u, 2020-06-05 10:29:15+00).',
    ),
    "documents that Jackson reads": (
        'Unrecognized field "patchUrl" (class com.acme.Vulnerability$Patch), not marked as ignorable (3 known properties: "date", "filename", "line_numbers"])\n at [Source: (String)"{"id":"CVE-1","purls":["a"]}"[truncated 2520 chars]; line: 1, column: 1537]',
        'Unrecognized field "patchUrl" (class com.acme.Vulnerability$Patch), not marked as ignorable (3 known properties: "date", "filename", "line_numbers"])\n at [Source: (String)"{"id":"CVE-2","publish":"b"}"; line: 4, column: 7]',
    ),
    "bytes that Jackson reads": (
        'Unrecognized field "version" (class com.acme.Room)\n at [Source: [B@60afd40d; line: 11, column: 4]',
        'Unrecognized field "version" (class com.acme.Room)\n at [Source: [B@1b75edf; line: 9, column: 8]',
    ),
    "records that cannot be deserialised": (
        "Error deserializing key/value for partition test.v0-2 at offset 26. If needed, please seek past the record to continue consumption.",
        "Error deserializing key/value for partition orders.v1-11 at offset 9182. If needed, please seek past the record to continue consumption.",
    ),
    "psycopg duplicate key": (
        'duplicate key value violates unique constraint "orders_pkey"\nDETAIL:  Key (id)=(17) already exists.',
        'duplicate key value violates unique constraint "orders_pkey"\nDETAIL:  Key (id)=(9931) already exists.',
    ),
    "requests read timeout": (
        "HTTPSConnectionPool(host='api.stripe.com', port=443): Read timed out. (read timeout=30)",
        "HTTPSConnectionPool(host='api.stripe.com', port=443): Read timed out. (read timeout=80)",
    ),
    "urllib3 max retries": (
        "HTTPConnectionPool(host='10.0.0.7', port=8080): Max retries exceeded with url: /charge/17 (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f9b1c0d5f10>: Failed to establish a new connection: [Errno 111] Connection refused'))",
        "HTTPConnectionPool(host='10.0.0.9', port=8080): Max retries exceeded with url: /charge/23 (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f9b1c0aa0d0>: Failed to establish a new connection: [Errno 111] Connection refused'))",
    ),
    "FileNotFound": (
        "[Errno 2] No such file or directory: '/var/lib/orders/a.json'",
        "[Errno 2] No such file or directory: '/tmp/b.csv'",
    ),
    "java FileNotFound": (
        "/var/lib/orders/alpha.json (No such file or directory)",
        "/var/lib/orders/beta.json (No such file or directory)",
    ),
    "windows path": ("C:\\orders\\alpha.json is locked", "D:\\tmp\\beta.json is locked"),
    "java identity": ("could not handle com.acme.Order@1b2c3d4e", "could not handle com.acme.Order@7f00aa11"),
    "jackson position": (
        'Unexpected character (\'}\' (code 125)): was expecting double-quote to start field name\n at [Source: (String)"{"a":1,}"; line: 1, column: 9]',
        'Unexpected character (\'}\' (code 125)): was expecting double-quote to start field name\n at [Source: (String)"{"bc":12,}"; line: 1, column: 11]',
    ),
    "json decode": (
        "Expecting value: line 1 column 1 (char 0)",
        "Expecting value: line 3 column 14 (char 77)",
    ),
    "kafka timeout": (
        "Expiring 3 record(s) for orders-0:120012 ms has passed since batch creation",
        "Expiring 17 record(s) for orders-4:120001 ms has passed since batch creation",
    ),
    "rfc 1123 date": (
        "token expired at Mon, 30 Nov 2026 01:00:00 GMT",
        "token expired at Tue, 01 Dec 2026 13:10:00 GMT",
    ),
    "java date": (
        "certificate expired on Mon Nov 30 01:00:00 UTC 2026",
        "certificate expired on Sat Dec 05 11:30:00 CET 2026",
    ),
    "iso date": ("period 2026-11-30T01:00:00Z is closed", "period 2025-01-02T03:04:05.678Z is closed"),
    "12h": ("cut-off at 10:15 AM passed", "cut-off at 3:05 PM passed"),
    "mail": ("mailbox ann@example.com is full", "mailbox bob.smith+x@example.org is full"),
    "ipv6": ("connect to [2001:db8::1]:5432 failed", "connect to [fe80::dead:beef]:5432 failed"),
    "ipv6 letters": ("connect to [::1]:5432 failed", "connect to [fe80::abcd:beef]:5432 failed"),
    "url": (
        "Failed to fetch https://shop.example.com/orders/alpha",
        "Failed to fetch https://shop.example.com/orders/beta",
    ),
    "url query": (
        "404 Client Error: Not Found for url: https://api.example.com/v1/customers/cus_Abc?expand=cards",
        "404 Client Error: Not Found for url: https://api.example.com/v1/customers/cus_Xyz?expand=cards",
    ),
    "amount": ("total €1,234.50 exceeds limit", "total €98.00 exceeds limit"),
    "ulid": ("no order 01ARZ3NDEKTSV4RRFFQ69G5FAV", "no order 01BX5ZZKBKACTAV9WEVGEMMVRZ"),
    "objectid": ("no document 507f1f77bcf86cd799439011", "no document 65a1b2c3d4e5f60718293a4b"),
    "base64": ("bad signature dGhpcyBpcyBhIHRlc3Q=", "bad signature c29tZXRoaW5nIGVsc2U="),
    "hex of letters": ("bad checksum deadbeef", "bad checksum cafebabe"),
    "pk paren": (
        "Key (email)=(ann@example.com) already exists.",
        "Key (email)=(bob@example.com) already exists.",
    ),
    "dict repr": ("bad order {'id': 'a', 'total': 5}", "bad order {'id': 'b', 'total': 7}"),
    "list repr": ("unknown skus ['a']", "unknown skus ['a', 'b', 'c']"),
    "negative": ("total is -5", "total is 17"),
    "percent": ("disk at 91% full", "disk at 100% full"),
    "duration": ("timed out after 1m 05s", "timed out after 30s"),
    "lock": (
        "Lock wait timeout exceeded; try restarting transaction (thread 0x7f01)",
        "Lock wait timeout exceeded; try restarting transaction (thread 0x7fab)",
    ),
    "german quotes": ("Kunde „Müller“ gesperrt", "Kunde „Schmidt“ gesperrt"),
    "deadlock": (
        "deadlock detected\nDETAIL:  Process 123 waits for ShareLock on transaction 99; blocked by process 456.",
        "deadlock detected\nDETAIL:  Process 7 waits for ShareLock on transaction 1; blocked by process 8.",
    ),
    "trailing stack": ("boom\n  at com.acme.A.run(A.java:17)", "boom\n  at com.acme.A.run(A.java:18)"),
    "host and port": (
        "Connection to db-1.example.com:5432 refused",
        "Connection to db-12.example.org:5433 refused",
    ),
    "customer name": ("no customer of the name 'Ann'", "no customer of the name 'Bob'"),
    "key that is an id": ("'ORD17'", "'ORD18'"),
    "key that is a number": ("'17'", "'18'"),
    "key that is hexadecimal": ("'deadbeef'", "'cafebabe'"),
    "key that is a UUID": (
        "'0f4c2a52-8a1c-4d35-9c55-6f6fb1a0a001'",
        "'e7a1d2c3-4b5a-4978-8f6e-5d4c3b2a1900'",
    ),
    "key of several words": ("'Ann Miller'", "'Bob Smith'"),
    "postal code": ("zip code 10115 is unknown", "zip code 20095 is unknown"),
    "postcode": ("postcode 10115 is unknown", "postcode 20095 is unknown"),
    "promotion code": ("promo code 12345 has expired", "promo code 67890 has expired"),
    "code of many digits": ("the code 492817 is wrong", "the code 118203 is wrong"),
    "time after status": ("status 2026-11-30 is late", "status 2026-12-01 is late"),
    "hexadecimal after a noun": ("no class a3f9b2c1d4", "no class b7e1c2d3f4"),
    "id after a noun": ("no field ORD-17", "no field ORD-18"),
    "offset east and west": ("at 2026-11-30T04:00:00+01:00 failed", "at 2026-11-30T04:00:00-01:00 failed"),
    "offset and none": ("at 2026-11-30T04:00:00+01:00 failed", "at 2026-11-30T04:00:00Z failed"),
    "quoted id": ("order 'abc' not found", "order 'xyz' not found"),
    "utc offset": ("late since 2026-11-30 01:00:00,123 +0100", "late since 2026-12-01 11:30:59,001 +0000"),
}
OTHER = {
    "fields of one word": (
        'Unrecognized field "version" (class com.acme.Room), not marked as ignorable',
        'Unrecognized field "is_archived" (class com.acme.Room), not marked as ignorable',
    ),
    "words of a cloud's API": (
        "An error occurred (AccessDenied) when calling the GetObject operation: Access Denied",
        "An error occurred (NoSuchKey) when calling the GetObject operation: The specified key does not exist.",
    ),
    "codes of a cloud's API": (
        "An error occurred (403) when calling the HeadObject operation: Forbidden",
        "An error occurred (404) when calling the HeadObject operation: Not Found",
    ),
    "bare codes of a cloud's API": (
        "An error occurred (403) in HeadObject",
        "An error occurred (404) in HeadObject",
    ),
    "key error": ("'total_cents'", "'customer_id'"),
    "key error camel": ("'totalCents'", "'customerId'"),
    "attribute": ("'NoneType' object has no attribute 'items'", "'str' object has no attribute 'items'"),
    "attribute name": (
        "'Order' object has no attribute 'total_cents'",
        "'Order' object has no attribute 'customer_id'",
    ),
    "unique constraint": (
        'duplicate key value violates unique constraint "orders_pkey"',
        'duplicate key value violates unique constraint "payments_order_id_key"',
    ),
    "not null": (
        'null value in column "customer_id" violates not-null constraint',
        'null value in column "total_cents" violates not-null constraint',
    ),
    "relation": ('relation "order_lines" does not exist', 'relation "payment_methods" does not exist'),
    "java npe": (
        'Cannot invoke "com.acme.Order.getTotal()" because "order" is null',
        'Cannot invoke "com.acme.Customer.getName()" because "customer" is null',
    ),
    "jackson field": (
        'Unrecognized field "totalCents" (class com.acme.Order), not marked as ignorable',
        'Unrecognized field "customerId" (class com.acme.Order), not marked as ignorable',
    ),
    "missing arg": (
        "charge() missing 1 required positional argument: 'customer_id'",
        "charge() missing 1 required positional argument: 'total_cents'",
    ),
    "no such bean": (
        "No qualifying bean of type 'com.acme.PaymentGateway' available",
        "No qualifying bean of type 'com.acme.MailSender' available",
    ),
    "import": ("No module named 'billing_core'", "No module named 'shipping_core'"),
    "name error": ("name 'total_cents' is not defined", "name 'customer_id' is not defined"),
    "class not found": (
        "java.lang.ClassNotFoundException: com.acme.Order",
        "java.lang.ClassNotFoundException: com.acme.Payment",
    ),
    "http status": ("Server returned HTTP status 503", "Server returned HTTP status 401"),
    "http status words": (
        "500 Server Error: Internal Server Error for url: https://a.example.com/x",
        "404 Client Error: Not Found for url: https://a.example.com/x",
    ),
    "errno": ("[Errno 111] Connection refused", "[Errno 104] Connection reset by peer"),
    "ora": ("ORA-00001: unique constraint violated", "ORA-01400: cannot insert NULL"),
    "ora codes only": ("ORA-00001", "ORA-01400"),
    "sqlstate": ("SQLSTATE[23505]", "SQLSTATE[40001]"),
    "unsupported operand": (
        "unsupported operand type(s) for +: 'int' and 'str'",
        "unsupported operand type(s) for +: 'NoneType' and 'int'",
    ),
    "cast": (
        "class java.lang.String cannot be cast to class java.lang.Integer",
        "class java.lang.Long cannot be cast to class java.lang.String",
    ),
    "enum": ("No enum constant com.acme.Status.SHIPPED", "No enum constant com.acme.Status.LOST"),
    "json type": ("expected string, got null", "expected string, got number"),
    "avro": ("Field total_cents missing", "Field customer_id missing"),
    "redis": ("MOVED 1234 10.0.0.1:6379", "CLUSTERDOWN The cluster is down"),
    "column word": ('column "email" does not exist', 'column "phone" does not exist'),
    "attribute word": ("'Order' object has no attribute 'items'", "'Order' object has no attribute 'total'"),
    "module word": ("No module named 'billing'", "No module named 'shipping'"),
    "missing field": ("missing field `total`", "missing field `customer`"),
    "unknown property": ("Unknown property 'colour'", "Unknown property 'size'"),
    "table": ("Table 'orders' doesn't exist", "Table 'payments' doesn't exist"),
    "keys of one word": ("'total'", "'customer'"),
    "keys of one word, with their error": ("KeyError: 'total'", "KeyError: 'customer'"),
    "keys with a number": ("'address1'", "'address2'"),
    "keys of the environment": ("'HOME'", "'PATH'"),
    "a code after a word": ("declined with code 51", "declined with code 14"),
    "error code": ("error code: 1062", "error code: 1213"),
    "errorCode": ("rejected, errorCode=17", "rejected, errorCode=23"),
    "status code": ("statusCode=503, no body", "statusCode=401, no body"),
    "exit code": ("process ended with exit code 137", "process ended with exit code 1"),
    "exit code at the end": ("process ended with exit code 137.", "process ended with exit code 1."),
    "exit status": ("exit status 1", "exit status 2"),
    "exited with": ("worker exited with 137", "worker exited with 1"),
    "signals": ("killed by signal 9", "killed by signal 15"),
    "negative exit code": ("exit code: -9", "exit code: -15"),
    "hresult": ("failed with code 0x80070005", "failed with code 0x80004005"),
    "errno=": ("connect: errno=111", "connect: errno=104"),
    "mysql": ("ERROR 1062 (23000): refused", "ERROR 1452 (23000): refused"),
    "urllib": ("HTTP Error 503: Service", "HTTP Error 502: Service"),
    "column with a digit": (
        'null value in column "address1" violates not-null constraint',
        'null value in column "address2" violates not-null constraint',
    ),
    "column with a digit, not quoted": (
        "null value in column address1 violates",
        "null value in column address2 violates",
    ),
    "field with a digit inside": ("missing field sha256_sum", "missing field sha512_sum"),
    "field in backticks": ("missing field `line1`", "missing field `line2`"),
}
# Of these nothing but the words tells, and the words are the same, or aren't: they are taken for what they look like.
UNTOLD_SAME = {
    "hosts without digits or ports": ("no route to db-primary.internal", "no route to db-replica.internal"),
    "singular and plural": ("order has 1 item left", "order has 2 items left"),
    "an apostrophe in quotes": ("customer 'O'Brien' is blocked", "customer 'Smith' is blocked"),
}
UNTOLD_OTHER = {
    "numbers of errors without a word": ("E17 declined", "E18 declined"),
    "keys with a capital and digits": ("'Line1'", "'Line2'"),
}


def cause(message: str) -> str:
    return cause_of("billing", "OrderPlaced", "Error", message)


@pytest.mark.parametrize("name", SAME)
def test_one_cause_is_one(name: str) -> None:
    one, other = SAME[name]
    assert cause(one) == cause(other)


@pytest.mark.parametrize("name", OTHER)
def test_two_causes_are_two(name: str) -> None:
    one, other = OTHER[name]
    assert cause(one) != cause(other)


def test_what_words_alone_do_not_tell_is_known() -> None:
    assert [name for name, (one, other) in UNTOLD_SAME.items() if cause(one) == cause(other)] == []
    assert [name for name, (one, other) in UNTOLD_OTHER.items() if cause(one) != cause(other)] == []


def test_the_table_is_large_enough_to_mean_something() -> None:
    assert len(SAME) >= 30
    assert len(OTHER) >= 30
    pairs = [*SAME.values(), *OTHER.values()]
    assert all(one != other for one, other in pairs)
