""".proto files that are malformed or odd, by kind. `@` is a package of the file's own, `5#` and a digit a number of its own."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Final

_3: Final = 'syntax = "proto3"; package @;\n'
_2: Final = 'syntax = "proto2"; package @;\n'
_DESCRIPTOR: Final = 'import "google/protobuf/descriptor.proto";\n'
_E3: Final = f"{_3}message E {{ int32 x = 1; }}\n"
_E2: Final = f"{_2}message E {{ optional int32 x = 1; }}\n"
_ENUM: Final = f"{_E3}enum K {{ Z = 0; Y = 1; }}\n"


def _table(form: str, *parts: str) -> dict[str, str]:
    return {part or "(nothing)": form.replace("%", part) for part in parts}


_EXTENSION: Final = (
    f"{_2}{_DESCRIPTOR}message O {{ optional int32 n = 1; repeated string s = 2; optional O o = 3; }}\n"
    "enum K { A = 0; }\n"
    "extend google.protobuf.FieldOptions { optional O opt = 5#0; optional int32 num = 5#1; optional bool yes = 5#2;"
    " optional string text = 5#3; optional K kind = 5#4; repeated int32 many = 5#5; }\n"
    "message E { optional int32 x = 1 [%]; }"
)
_OPTION_HOLDERS: Final = {
    "file": f"{_3}option %; message E {{ }}",
    "message": f"{_3}message E {{ option %; }}",
    "field": f"{_3}message E {{ int32 x = 1 [%]; }}",
    "oneof": f"{_3}message E {{ oneof o {{ option %; int32 x = 1; }} }}",
    "enum": f"{_3}message E {{ }} enum K {{ option %; Z = 0; }}",
    "value": f"{_3}message E {{ }} enum K {{ Z = 0 [%]; }}",
    "service": f"{_E3}service S {{ option %; }}",
    "method": f"{_E3}service S {{ rpc F(E) returns (E) {{ option %; }} }}",
    "range": f"{_2}message E {{ extensions 5 to 9 [%]; }}",
    "extension": f"{_2}message E {{ extensions 5; }} extend E {{ optional int32 y = 5 [%]; }}",
    "map": f"{_3}message E {{ map<int32, int32> x = 1 [%]; }}",
}

ODD_PROTOS: Final[Mapping[str, Mapping[str, str]]] = {
    "options": {
        f"{holder}: {option}": text.replace("%", option)
        for (holder, text), option in product(_OPTION_HOLDERS.items(), [
            "deprecated = true", "deprecated = yes", "deprecated = 1", "depreciated = true", "nonsense = 1", "(nonsense) = 1",
            "(@.nonsense) = true", "(.nonsense).x = true", "(nonsense) = { a: 1 }", "deprecated.x = true", "features.x = 1",
            "deprecated = true, deprecated = true", "deprecated = true; option deprecated = true",
            "uninterpreted_option = { }", "deprecated = { }", "deprecated =", "= true", "deprecated", "",
        ])
    },
    "options of their own": _table(
        f"{_2}message M {{ }} enum K {{ A = 0; }} message E {{ %; }}",
        *(f"optional {kind} x = 1 [{option}]"
          for kind, option in product(("int32", "int64", "string", "M", "K"), (
              "jstype = JS_STRING", "jstype = JS_NORMAL", "ctype = CORD", "ctype = STRING", "lazy = true", "weak = true",
              "unverified_lazy = true", "debug_redact = true", "retention = RETENTION_SOURCE", "retention = X",
              "targets = TARGET_TYPE_FIELD", "targets = [TARGET_TYPE_FIELD, TARGET_TYPE_FILE]", 'json_name = "a"', 'json_name = ""',
              'json_name = "[a]"', 'json_name = "a", json_name = "b"', "edition_defaults = { edition: EDITION_2023, value: \"x\" }"))),
        "repeated int64 x = 1 [jstype = JS_STRING]", "repeated M x = 1 [lazy = true]", "option map_entry = true",
        "option message_set_wire_format = true", "option deprecated_legacy_json_field_conflicts = true",
        "option no_standard_descriptor_accessor = true", "option message_set_wire_format = true; extensions 4 to max",
    ),
    "declared options": _table(
        _EXTENSION, "(num) = 1", "(num) = -1", "(num) = 1.5", '(num) = "1"', "(num) = x", "(num) = 99999999999", "(.@.num) = 1",
        "(@.num) = 1", "(yes) = true", "(yes) = 1", "(yes) = maybe", '(text) = "a" "b"', "(text) = a", "(kind) = A", "(kind) = B",
        "(kind) = 0", "(many) = 1, (many) = 2", "(many) = [1, 2]", "(num) = 1, (num) = 2", "(opt).n = 1", "(opt).x = 1",
        "(opt) = { n: 1 }", "(opt) = { x: 1 }", '(opt) = { s: ["a", "b"] o < n: 2 > }', "(opt).o.n = 7", "(opt) = 1", "(num).n = 1",
        "(opt).n = 1, (opt).s = \"a\"", "(opt).n = 1, (opt).n = 2", "(opt) = { n: 1 ", "num = 1", "(opt.n) = 1", "(O) = { }",
    ),
    "syntax": {
        **_table("% message E@ { optional int32 x = 1; }", "", 'syntax = "proto4";', "syntax = 'proto3';", 'syntax = "pro" "to3";',
                 'syntax "proto3";', 'syntax = "proto3"', "syntax = proto3;", 'syntax = "proto3"; syntax = "proto3";',
                 'package @; syntax = "proto3";', ';syntax = "proto3";', 'syntax = "PROTO3";', 'edition = "1999";', "edition = 2023;"),
        **_table("%", "", ";", "message E@", "message E@ {", "message E@ { } }", "message E@ { };", "message { }", "e", "message E@ { }"),
    },
    "package": _table('syntax = "proto3"; % message E@ { int32 x = 1; }', "package @;", "package @; package @;", "package .@;",
                      "package @..b;", "package @.;", "package ;", "package @.message.b;", "package 1@;", "package @-b;",
                      "package @ . b;", "package @.E@; ", "package @", 'package "@";', "package @.b; option deprecated = true;"),
    "imports": _table(f"{_3}% message E {{ int32 x = 1; }}", 'import "nowhere.proto";', 'import "google/protobuf/nowhere.proto";',
                      'import "google/protobuf/any.proto";', 'import "google/protobuf/any.proto"; import "google/protobuf/any.proto";',
                      'import public "google/protobuf/any.proto";', 'import weak "google/protobuf/any.proto";',
                      'import public weak "google/protobuf/any.proto";', "import google.protobuf.any;", 'import "";',
                      'import "google\\\\protobuf\\\\any.proto";', 'import "google/protobuf/" "any.proto";', 'import "./google/protobuf/any.proto";',
                      'import "google/protobuf/any.proto"', 'import option "google/protobuf/any.proto";',
                      'import "google/protobuf/../protobuf/any.proto";'),
    "words": {
        **_table(f"{_3}message E {{ % }}", "int32 x = 01;", "int32 x = 0x1;", "int32 x = 0X1f;", "int32 x = 08;", "int32 x = 1.0;",
                 "int32 x = 1e2;", "int32 x = +1;", "int32 x = -1;", "int32 x = 1_000;", "int32 x = 1a;", "int32 x = 0x;", "int32 x = 0b1;",
                 'int32 x = "1";', "int32 x = 99999999999999999999;", "int32 x = ;", "int32 x 1;", "int32 = 1;", "x = 1;", "int32 x = 1",
                 "int32 x = 1;;", "int32 x = 1,", "int32 x : 1;", "int32 x = 1 [];", "int32 x = 1 [deprecated = true;", "int32 é = 1;",
                 "int32 x = 1; /* é \u4e2d */", "int32 x = 1; /* /* */", "int32 x = 1; /* /* */ */", "int32 x = 1; /* ", "int32 x = 1; // end",
                 "int32 x = 1; # end", "int32\tx\n=\r\n1\v;\f", "int32 x = 1; \x00", "int32 x = 1; \x7f", "int32 x = 1; \u00a0", "int32 x = 1 ;",
                 "int32 x = 1;\r", "int32 x = 1 / 1;", "int32 x-y = 1;", "int32 1x = 1;", "int32 _ = 1;", "int32 __x__ = 1;", "int32 x.y = 1;",
                 "int32 $x = 1;", "int32 message = 1; int32 reserved = 2; int32 option = 3; int32 oneof = 4;", "optional optional = 1;",
                 "message = 1;", "reserved = 1;", "reserved;", "reserved 1,;", 'reserved "a" 2;', 'reserved 2, "a";', 'reserved "a-b";',
                 'reserved "é";', "reserved 2; reserved 3;", 'reserved "x" "y";', "reserved x, y;"),
        "a mark of byte order": "\ufeff" + _E3,
        "a mark of byte order within": _E3 + "\ufeff",
        "text over two lines": f'{_3}message E {{ int32 x = 1 [json_name = "a\nb"]; }}',
        "text that isn't closed": f'{_3}message E {{ int32 x = 1 [json_name = "a]; }}',
        "text with a zero": f'{_3}message E {{ int32 x = 1 [json_name = "a\x00b"]; }}',
    },
    "names": _table(
        f"{_3}%", "message E { int32 x = 1; int32 x = 2; }", "message E { } message E { }", "message E { } enum E { Z = 0; }",
        "message E { message E { } }", "message E { message M { } enum M { Z = 0; } }", "message E { } enum A { Z = 0; } enum B { Z = 0; }",
        "message E { enum A { Z = 0; } enum B { Z = 0; } }", "message E { enum A { Z = 0; } } enum B { Z = 0; }",
        "message E { int32 fooBar = 1; int32 foo_bar = 2; }", "message E { int32 foo_bar = 1; int32 foo__bar = 2; }",
        'message E { int32 a = 1 [json_name = "b"]; int32 b = 2; }', 'message E { int32 a = 1 [json_name = "c"]; int32 b = 2 [json_name = "c"]; }',
        "message E { map<int32, int32> foo = 1; message FooEntry { } }", "message E { map<int32, int32> foo = 1; map<int32, int32> Foo = 2; }",
        "message E { int32 o = 1; oneof o { int32 x = 2; } }", "message E { oneof o { int32 x = 1; } oneof o { int32 y = 2; } }",
        "message E { int32 x = 1; message x { } }", "message E { } enum K { E = 0; }", "enum K { K_A = 0; A = 1; } message E { }",
        "enum K { KA = 0; K_A = 1; } message E { }", "enum K { A = 0; a = 1; } message E { }", "enum K { A_B = 0; AB = 1; } message E { }",
        "enum K { option allow_alias = true; K_A = 0; A = 0; } message E { }", "message E { enum K { Z = 0; } int32 Z = 1; }",
        "message E { int32 E = 1; }", "message E { } service E { }", "message E { optional int32 x = 1; int32 _x = 2; }",
        "message E { optional int32 x = 1; oneof _x { int32 y = 2; } }", "message " + "E" * 3000 + " { }", "message 1E { }", "message E-F { }",
        "message E.F { }", "message @ { }", "message string { int32 x = 1; }", "message E { } message F { string E = 1; E e = 2; }",
        "message E { int32 x = 1; int32 X = 2; }", "enum K { Z = 0; Z = 1; } message E { }", "enum Z { Z = 0; } message E { }",
    ),
    "names in proto2": _table(
        f"{_2}%", "message E { optional int32 fooBar = 1; optional int32 foo_bar = 2; }", "enum K { K_A = 0; A = 1; } message E { }",
        'message E { optional int32 a = 1 [json_name = "b"]; optional int32 b = 2; }',
        'message E { optional int32 a = 1 [json_name = "c"]; optional int32 b = 2 [json_name = "c"]; }',
        "message E { optional group G = 1 { } optional int32 g = 2; }", "message E { extensions 1; extensions 2 to 3; optional int32 x = 4; }",
    ),
    "types": _table(
        f"{_3}% enum K {{ Z = 0; }} message M {{ message N {{ int32 x = 1; }} }} service S {{ }}",
        *(f"message E {{ {kind} x = 1; }}" for kind in (
            "M", ".@.M", "@.M", "M.N", "N", ".M", "@.M.N", "K", "Z", "S", "E", "E.x", "Nothing", "google.protobuf.Any", "String",
            "repeated M", "repeated repeated M", "optional M", "optional K", "required M", "map<string, M>", "map<string, map<string, M>>",
            "map<string, repeated M>", "map<string, K>", "map<K, M>", "map<float, M>", "map<M, M>", "map<string M>", "map<string, Nothing>",
            "map<string>", "map", ".map<string, M>", "map <string, M>", "optional map<string, M>", "repeated map<string, M>", "stream M",
            "M.", ".", "..M", "M..N", "group", "repeated group", "int32 int32", "optional", "repeated")),
        "message E { oneof o { M a = 1; K b = 2; } }", "message E { oneof o { oneof p { M a = 1; } } }", "message E { oneof o { } }",
        "message E { oneof o { message X { } M a = 1; } }", "message E { oneof o { reserved 3; M a = 1; } }", "message E { oneof { M a = 1; } }",
        "message E { oneof o { M a = 1; }; }", "message E { oneof o { map<string, M> a = 1; } }", "message E { oneof o { optional M a = 1; } }",
        "message @ { } message E { @.M x = 1; }", "message E { message @ { } @.M x = 1; }", "message E { message M { } M.N x = 1; }",
        "message E { int32 M = 1; M x = 2; }", "message E { group G = 1 { } }",
    ),
    "other files' types": _table(
        f"{_3}%", 'import "google/protobuf/descriptor.proto"; message E { google.protobuf.FieldDescriptorProto.Type x = 1; }',
        'import "google/protobuf/descriptor.proto"; message E { google.protobuf.FileDescriptorProto x = 1; }',
        'import "google/protobuf/api.proto"; message E { google.protobuf.Type x = 1; }',
        'import "google/protobuf/api.proto"; message E { google.protobuf.SourceContext x = 1; }',
        'import "google/protobuf/api.proto"; message E { google.protobuf.Api x = 1; }',
        'import "google/protobuf/timestamp.proto"; message E { google.protobuf.Timestamp x = 1; protobuf.Timestamp y = 2; }',
        'import "google/protobuf/timestamp.proto"; message google { } message E { google.protobuf.Timestamp x = 1; }',
        'import "google/protobuf/timestamp.proto"; message google { } message E { .google.protobuf.Timestamp x = 1; }',
        'import "google/protobuf/struct.proto"; message E { google.protobuf.NullValue x = 1; map<string, google.protobuf.Value> y = 2; }',
    ),
    "enums": {
        **_table(f"{_E3}enum K {{ % }}", "", "A = 1;", "A = 0; B = -1;", "A = 0; B = 2147483648;", "A = 0; B = -2147483648;", "A = 0; B = 0x7fffffff;",
                 "A = -0;", "A = 0 B = 1;", "A = 0, B = 1;", "A;", "A = 0; A = 0;", "A = 0; B = 1.0;", "A = 0; message M { }", "0 = 0;", "A = 0;;", "A = 0; option x = 1;",
                 "A = 0; reserved;", "A = 0; extensions 5;", "reserved 0; A = 0;", "A = 0; reserved A;", "A = 0 [deprecated = true, ];", "option = 0;", "reserved = 0;"),
        "not closed": f"{_E3}enum K {{ A = 0;",
        "in proto2, empty": f"{_E2}enum K {{ }}",
        "in proto2, from 1": f"{_E2}enum K {{ A = 1; }}",
        "in proto2, of a map": f"{_2}enum K {{ A = 1; }} message E {{ map<string, K> x = 1; }}",
    },
    "services": _table(
        f"{_E3}message F {{ message G {{ }} }} enum K {{ Z = 0; }} %", "service S { }", "service S { rpc F(E) returns (E); }", "service S { rpc F(E) returns (E) { } }",
        "service S { rpc F(E) returns (E) { }; }", "service S { rpc F(stream E) returns (stream E); }", "service S { rpc F(.@.E) returns (@.F.G); }",
        "service S { rpc F(Nothing) returns (E); }", "service S { rpc F(E) returns (Nothing); }", "service S { rpc F(K) returns (E); }",
        "service S { rpc F(int32) returns (E); }", "service S { rpc F(E); }", "service S { rpc F() returns (E); }", "service S { rpc F(E) returns E; }",
        "service S { rpc F(E) returns (E) }", "service S { rpc F(E) returns (E); rpc F(E) returns (E); }", "service S { F(E) returns (E); }",
        "service S { int32 x = 1; }", "service S { rpc F(E, E) returns (E); }", "service S { rpc F(repeated E) returns (E); }", "service S { ; rpc F(E) returns (E);; }",
        "service S { rpc F(E) returns (E) { ; option deprecated = true; ; } }", "service S { rpc F(E) returns (E) { idempotency_level = IDEMPOTENT; } }",
        "service S { rpc F(E) returns (E) { option idempotency_level = IDEMPOTENT; } }", "service S { rpc F(E) returns (E) { option idempotency_level = X; } }",
        "service S { message M { } }", "service S", "service S {", "service { }", "service S.T { }", "service S { } service S { }", "service S { rpc F(stream) returns (E); }",
        "message stream { } service S { rpc F(stream) returns (E); }", "service S { stream F(E, E); }", "rpc F(E) returns (E);",
    ),
    "extensions": _table(
        f"{_2}message X {{ extensions 100 to 199, 500; }} message M {{ }} % message E {{ optional int32 x = 1; }}",
        *(f"extend {what}" for what in (
            "X { optional int32 y = 100; }", "X { optional int32 y = 100; optional int32 z = 100; }", "X { optional int32 y = 200; }", "X { optional int32 y = 1; }",
            "X { required int32 y = 100; }", "X { repeated M y = 100; }", "X { int32 y = 100; }", "X { }", "X { ; }", "X;", "Nothing { optional int32 y = 100; }",
            "M { optional int32 y = 100; }", "X { map<string, M> y = 100; }", "X { oneof o { int32 y = 100; } }", "X { optional Nothing y = 100; }",
            'X { optional int32 y = 100 [json_name = "z"]; }', "X { optional int32 y = 100 [default = 7]; }", "X { optional int32 y = 100 [default = a]; }",
            ".@.X { optional int32 y = 100; }", "X { optional int32 y = 100; } extend X { optional int32 z = 100; }", "X { optional int32 M = 100; }",
            "X { message Z { } }", "X { optional int32 y = 100; ", "{ optional int32 y = 100; }", "X { optional group Y = 100 { } }",
            "X { repeated int32 y = 100 [packed = true]; }", "X { repeated string y = 100 [packed = true]; }")),
        "message Y { extend X { optional int32 y = 100; } }", "message Y { extend X { optional int32 y = 200; } }", "message Y { extend Nothing { optional int32 y = 100; } }",
        "message Y { extensions 5 [verification = UNVERIFIED]; }", "message Y { extensions 5 [verification = X]; }",
        'message Y { extensions 5 [declaration = { number: 5, full_name: ".a.b", type: "int32" }]; }', "message Y { extensions x; }", "message Y { extensions; }",
        "message Y { extensions 5 to 3; }", "message Y { extensions 5, 5; }", 'message Y { extensions "a"; }',
    ),
    "extensions in proto3": _table(
        f"{_3}{_DESCRIPTOR}%", "message E { extensions 5; }", "message E { } extend E { int32 y = 100; }",
        "message E { } extend google.protobuf.FieldOptions { int32 y = 5#0; }", "message E { } extend google.protobuf.FieldOptions { optional int32 y = 5#0; }",
        "message E { int32 x = 1 [(y) = 1]; } extend google.protobuf.FieldOptions { optional int32 y = 5#0; }",
        "message E { int32 x = 1 [(y) = a]; } extend google.protobuf.FieldOptions { optional int32 y = 5#0; }",
        "message E { option (y) = 1; } extend google.protobuf.FieldOptions { optional int32 y = 5#0; }",
        "message E { } extend google.protobuf.FileDescriptorSet { optional int32 y = 536000000; }",
        "message E { extend google.protobuf.FieldOptions { int32 y = 5#0; } int32 x = 1 [(y) = 1]; }",
        "message E { extend google.protobuf.FieldOptions { int32 y = 5#0; } int32 x = 1 [(E.y) = 1]; }",
    ),
}  # fmt: skip
