//! The language itself: operators, conversions, macros (CEL specification).

use super::{check, check_errors};

#[test]
fn operators() {
    check(&[
        ("1 + 2 * 3", "7"),
        ("(1 + 2) * 3", "9"),
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("-7 % 3", "-1"),
        ("7u % 4u", "3"),
        ("1.5 + 2.0", "3.5"),
        ("1.0 / 0.0", "\"+Inf\""),
        ("'a' + 'b'", "\"ab\""),
        ("b'a' + b'b'", "\"YWI=\""),
        ("[1] + [2]", "[1,2]"),
        ("dyn(1) == 1.0", "true"),
        ("dyn(1) == 1u && dyn(1u) == 1.0", "true"),
        ("1 < 1.5 && 2u > 1", "true"),
        ("-1 < 0u", "true"),
        ("dyn(1) == 'a'", "false"),
        ("dyn(1) != 'a'", "true"),
        ("'a' < 'b' && b'a' <= b'a'", "true"),
        ("false < true", "true"),
        ("[1, 2] == [1, 2] && {'a': 1} == {'a': 1}", "true"),
        ("{'a': 1} == {'b': 1}", "false"),
        ("0.0 / 0.0 == 0.0 / 0.0", "false"),
        ("2 in [1, 2]", "true"),
        ("'a' in {'a': 1}", "true"),
        ("true ? 1 : 2", "1"),
        ("!true || !!true", "true"),
        ("-(1)", "-1"),
        ("--1", "1"),
        ("[1, 2][1]", "2"),
        ("dyn([1, 2])[1.0] == 2 && dyn([1, 2])[1u] == 2", "true"),
        ("{'a': {'b': 1}}.a.b", "1"),
        ("{1: 'x'}[1]", "\"x\""),
        ("{1: 'x'}[dyn(1u)]", "\"x\""),
        ("size('\u{e9}\u{1f600}')", "2"),
        ("'abc'.size() + size([1]) + size({}) + size(b'ab')", "6"),
        ("x + 1", "8"),
        ("type(1) == int && type(type(1)) == type", "true"),
        (
            "type([]) == list && type({}) == map && type(null) == null_type",
            "true",
        ),
        ("null == null", "true"),
        ("9223372036854775807 + 0", "9223372036854775807"),
    ]);
}

#[test]
fn arithmetic_does_not_wrap() {
    check_errors(&[
        ("9223372036854775807 + 1", "integer overflow"),
        ("-9223372036854775808 - 1", "integer overflow"),
        ("9223372036854775807 * 2", "integer overflow"),
        ("-(-9223372036854775808)", "integer overflow"),
        ("-9223372036854775808 / -1", "integer overflow"),
        ("0u - 1u", "unsigned integer overflow"),
        ("1 / 0", "division by zero"),
        ("1u % 0u", "modulus by zero"),
        ("duration('2562047h') + duration('2562047h')", "duration overflow"),
        (
            "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
            "timestamp overflow",
        ),
    ]);
}

#[test]
fn what_is_not_there_is_an_error() {
    check_errors(&[
        ("{'a': 1}.b", "no such key: b"),
        ("{'a': 1}['b']", "no such key: b"),
        ("{1: 1}[2]", "no such key: 2"),
        ("[1][1]", "index out of bounds: 1"),
        ("[1][-1]", "index out of bounds: -1"),
        ("dyn([1])['a']", "unsupported index type 'string' in list"),
        ("dyn(1) + 'a'", "no such overload"),
        ("dyn(1) < 'a'", "no such overload"),
        (
            "dyn(1).startsWith('a')",
            "no such overload: startsWith(int, string)",
        ),
        ("x ? 1 : 2", "no such overload"),
        ("x.y", "no such overload"),
        ("obj.name", "no such attribute(s): obj"),
        ("dyn(0.0/0.0) < 1.0", "NaN values cannot be ordered"),
    ]);
}

#[test]
fn logic_absorbs_errors_on_either_side() {
    check(&[
        ("false && 1 / 0 > 0", "false"),
        ("1 / 0 > 0 && false", "false"),
        ("true || 1 / 0 > 0", "true"),
        ("1 / 0 > 0 || true", "true"),
        ("dyn(1) || true", "true"),
        ("true ? 1 : 1 / 0", "1"),
        ("[1, 0].exists(i, 1 / i > 0)", "true"),
        ("[0, 1].exists(i, 1 / i > 0)", "true"),
        ("[0, 1].all(i, 1 / i > 5)", "false"),
    ]);
    check_errors(&[
        ("true && 1 / 0 > 0", "division by zero"),
        ("1 / 0 > 0 && 1 % 0 > 0", "division by zero"),
        ("1 / 0 > 0 || false", "division by zero"),
        ("true && dyn(1)", "no such overload"),
        ("[0, 1].all(i, 1 / i > 0)", "division by zero"),
        ("[1, 0].map(i, 1 / i)", "division by zero"),
    ]);
}

#[test]
fn macros() {
    check(&[
        ("[1, 2, 3].all(i, i > 0)", "true"),
        ("[].all(i, i > 0)", "true"),
        ("[1, 2, 3].exists(i, i > 2)", "true"),
        ("[1, 2, 3].exists_one(i, i > 1)", "false"),
        ("[1, 2, 3].existsOne(i, i > 2)", "true"),
        ("[1, 2, 3].map(i, i * 2)", "[2,4,6]"),
        ("[1, 2, 3].map(i, i > 1, i * 2)", "[4,6]"),
        ("[1, 2, 3].filter(i, i > 1)", "[2,3]"),
        ("{'a': 1, 'b': 2}.map(k, k)", "[\"a\",\"b\"]"),
        ("{'a': 1}.all(k, k == 'a')", "true"),
        ("[[1], [2, 3]].map(i, i.map(j, j + 1))", "[[2],[3,4]]"),
        ("[1, 2].map(i, [3].map(j, i + j))", "[[4],[5]]"),
        ("has({'a': 1}.a) && !has({'a': 1}.b)", "true"),
        ("['a', 'b'].all(i, v, i < 2 && v != 'c')", "true"),
        ("{'a': 1}.exists(k, v, k == 'a' && v == 1)", "true"),
        ("[1, 1].exists_one(i, v, v == 1)", "false"),
        ("[1, 2].existsOne(i, v, v == 1)", "true"),
        ("['a', 'b'].transformList(i, v, string(i) + v)", "[\"0a\",\"1b\"]"),
        ("['a', 'b'].transformList(i, v, i > 0, v)", "[\"b\"]"),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v * 2)", "{\"a\":2,\"b\":4}"),
        ("{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v)", "{\"b\":2}"),
        ("{'a': 'x'}.transformMapEntry(k, v, {v: k})", "{\"x\":\"a\"}"),
    ]);
    check_errors(&[(
        "['a', 'a'].transformMapEntry(i, v, {v: i})",
        "insert failed: key a already exists",
    )]);
}

#[test]
fn optionals() {
    check(&[
        ("{'a': 1}.?a.orValue(2)", "1"),
        ("{'a': 1}.?b.orValue(2)", "2"),
        ("{'a': {'b': 1}}.?a.?b.hasValue()", "true"),
        ("{'a': {'b': 1}}.?a.b.orValue(0)", "1"),
        ("{'a': {'b': 1}}.?c.b.orValue(0)", "0"),
        ("[1][?0].value() + [1][?5].orValue(3)", "4"),
        ("optional.none().or(optional.of(1)).value()", "1"),
        ("optional.of(1).optMap(v, v + 1).value()", "2"),
        ("optional.none().optMap(v, v + 1).hasValue()", "false"),
        ("{'a': {'b': 2}}.?a.optFlatMap(v, v.?b).value()", "2"),
        ("optional.ofNonZeroValue('').hasValue()", "false"),
        ("[?optional.of(1), ?optional.none(), 2]", "[1,2]"),
        ("{?'a': optional.none(), 'b': 1}", "{\"b\":1}"),
        ("[1, 2].first().value() + [1, 2].last().value()", "3"),
        ("[optional.of(1), optional.none()].unwrapOpt()", "[1]"),
        ("optional.of(1) == optional.of(1)", "true"),
    ]);
    check_errors(&[("optional.none().value()", "optional.none() dereference")]);
}

#[test]
fn conversions() {
    check(&[
        ("int('12') + int(1.9) + int(2u)", "15"),
        ("uint(3) + uint('4') + uint(1.5)", "8"),
        ("double('1.5') + double(1) + double(2u)", "4.5"),
        (
            "string(1) + string(2u) + string(1.5) + string(true)",
            "\"121.5true\"",
        ),
        ("string(1e100)", "\"1e+100\""),
        ("string(b'abc')", "\"abc\""),
        ("bytes('abc') == b'abc'", "true"),
        ("bool('true') && !bool('F')", "true"),
        ("string(duration('1h1m1.5s'))", "\"3661.5s\""),
        ("int(timestamp('1970-01-01T00:01:00Z'))", "60"),
        (
            "string(timestamp('2023-01-02T03:04:05.006Z'))",
            "\"2023-01-02T03:04:05.006Z\"",
        ),
        ("timestamp(60) == timestamp('1970-01-01T00:01:00Z')", "true"),
    ]);
    check_errors(&[
        ("int('a')", "type conversion error from 'string' to 'int'"),
        ("int(1e99)", "integer overflow"),
        ("int(18446744073709551615u)", "integer overflow"),
        ("uint(-1)", "unsigned integer overflow"),
        ("bool('yes')", "type conversion error from 'string' to 'bool'"),
        (
            "string(b'\\xff')",
            "invalid UTF-8 in bytes, cannot convert to string",
        ),
        (
            "duration('1' + 'y')",
            "type conversion error from 'string' to 'google.protobuf.Duration'",
        ),
    ]);
}

#[test]
fn times() {
    check(&[
        (
            "timestamp('2023-02-28T23:30:00Z') + duration('1h') == timestamp('2023-03-01T00:30:00Z')",
            "true",
        ),
        (
            "timestamp('2023-01-02T00:00:00Z') - timestamp('2023-01-01T00:00:00Z') == duration('24h')",
            "true",
        ),
        ("duration('1h') > duration('59m')", "true"),
        ("timestamp('2023-12-25T01:02:03.456Z').getFullYear()", "2023"),
        ("timestamp('2023-12-25T01:02:03.456Z').getMonth()", "11"),
        ("timestamp('2023-12-25T01:02:03.456Z').getDate()", "25"),
        ("timestamp('2023-12-25T01:02:03.456Z').getDayOfMonth()", "24"),
        ("timestamp('2023-12-25T01:02:03.456Z').getDayOfWeek()", "1"),
        ("timestamp('2023-12-25T01:02:03.456Z').getDayOfYear()", "358"),
        ("timestamp('2023-12-25T01:02:03.456Z').getHours()", "1"),
        ("timestamp('2023-12-25T01:02:03.456Z').getMinutes()", "2"),
        ("timestamp('2023-12-25T01:02:03.456Z').getSeconds()", "3"),
        ("timestamp('2023-12-25T01:02:03.456Z').getMilliseconds()", "456"),
        (
            "timestamp('2023-07-01T00:00:00Z').getHours('America/New_York')",
            "20",
        ),
        ("timestamp('2023-01-01T00:00:00Z').getHours('-02:30')", "21"),
        ("timestamp('2023-01-01T00:00:00Z').getMinutes('05:30')", "30"),
        ("duration('3730s').getHours()", "1"),
        ("duration('3730s').getMinutes()", "62"),
        ("duration('1.5s').getMilliseconds()", "1500"),
    ]);
    check_errors(&[(
        "timestamp('2023-01-01T00:00:00Z').getHours('Nowhere/No')",
        "unknown time zone Nowhere/No",
    )]);
}
