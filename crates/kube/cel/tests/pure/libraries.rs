//! Kubernetes' libraries (k8s.io/apiserver/pkg/cel/library) and cel-go's extensions.

use super::{check, check_errors};

#[test]
fn strings() {
    check(&[
        ("'tacocat'.charAt(3) + 'abc'.charAt(3)", "\"o\""),
        ("'hello mellow'.indexOf('ello', 2)", "7"),
        ("'hello mellow'.lastIndexOf('ello')", "7"),
        ("'hello mellow'.lastIndexOf('ello', 6)", "1"),
        ("'a\u{e9}b'.indexOf('b')", "2"),
        ("'TacoCat'.lowerAscii() + 'x'.upperAscii()", "\"tacocatX\""),
        ("'hello hello'.replace('he', 'we', 1)", "\"wello hello\""),
        ("'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"),
        ("'abc'.split('')", "[\"a\",\"b\",\"c\"]"),
        (
            "'tacocat'.substring(4) + 'tacocat'.substring(0, 4)",
            "\"cattaco\"",
        ),
        ("' x '.trim() + ['a', 'b'].join('-')", "\"xa-b\""),
        ("strings.quote('a\\n\"')", "\"\\\"a\\\\n\\\\\\\"\\\"\""),
        (
            "'%s is %d, %.2f, %x %b %o'.format([dyn('a'), dyn(5), dyn(1.5), dyn(255), dyn(5), dyn(8)])",
            "\"a is 5, 1.50, ff 101 10\"",
        ),
        (
            "'%s'.format([[1, 2]]) + '%s'.format([{'a': 1}])",
            "\"[1, 2]{\\\"a\\\":1}\"",
        ),
    ]);
    check_errors(&[
        ("'tacocat'.charAt(30)", "index out of range: 30"),
        ("'tacocat'.substring(40)", "index out of range: 40"),
        (
            "'tacocat'.substring(4, 2)",
            "invalid substring range. start: 4, end: 2",
        ),
    ]);
}

#[test]
fn lists_and_sets() {
    check(&[
        (
            "[1, 2, 3].isSorted() && !['b', 'a'].isSorted() && [].isSorted()",
            "true",
        ),
        ("[1, 2].sum() + [3, 1, 2].max() + [3, 1, 2].min()", "7"),
        ("['1s', '2s'].map(d, duration(d)).sum() == duration('3s')", "true"),
        (
            "[1, 2, 2].indexOf(2) + [1, 2, 2].lastIndexOf(2) + [1].indexOf(5)",
            "2",
        ),
        ("[1, 2, 3].slice(1, 2)", "[2]"),
        ("[[1], [2, 3]].flatten()", "[1,2,3]"),
        ("[3, 1, 2].sort()", "[1,2,3]"),
        ("['ccc', 'a', 'bb'].sortBy(s, size(s))", "[\"a\",\"bb\",\"ccc\"]"),
        ("lists.range(3)", "[0,1,2]"),
        ("[1, 2].reverse()", "[2,1]"),
        ("[1, 2, 1].distinct()", "[1,2]"),
        ("sets.contains([1, 2], [2]) && !sets.contains([1], [2])", "true"),
        (
            "sets.equivalent([1, 2], [2, 1, 1]) && sets.intersects([1], [1, 2])",
            "true",
        ),
    ]);
    check_errors(&[
        ("[0].filter(i, i > 0).max()", "max called on empty list"),
        ("[1].slice(0, 2)", "cannot slice(0, 2), list is length 1"),
        (
            "lists.range(100000000)",
            "operation cancelled: actual cost limit exceeded",
        ),
    ]);
}

#[test]
fn patterns() {
    check(&[
        ("'abc123'.matches('[a-z]+[0-9]+$') && matches('a', 'a')", "true"),
        ("'abc 123'.find('[0-9]+')", "\"123\""),
        ("'abc'.find('x')", "\"\""),
        ("'123 abc 456'.findAll('[0-9]+')", "[\"123\",\"456\"]"),
        ("'123 abc 456'.findAll('[0-9]+', 1)", "[\"123\"]"),
    ]);
}

#[test]
fn addresses() {
    check(&[
        (
            "isIP('10.0.0.1') && isIP('::1') && !isIP('10.0.0.256') && !isIP('::ffff:1.2.3.4')",
            "true",
        ),
        ("ip('10.0.0.1').family() + ip('::1').family()", "10"),
        (
            "ip('127.0.0.1').isLoopback() && ip('0.0.0.0').isUnspecified()",
            "true",
        ),
        (
            "ip('169.254.0.1').isLinkLocalUnicast() && ip('224.0.0.1').isLinkLocalMulticast()",
            "true",
        ),
        (
            "ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
            "true",
        ),
        ("ip.isCanonical('::1') && !ip.isCanonical('0::1')", "true"),
        (
            "string(ip('10.0.0.1')) + string(cidr('10.0.0.0/8'))",
            "\"10.0.0.110.0.0.0/8\"",
        ),
        ("cidr('192.168.0.0/24').containsIP('192.168.0.1')", "true"),
        ("cidr('192.168.0.0/24').containsIP(ip('192.168.1.1'))", "false"),
        ("cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25')", "true"),
        (
            "cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))",
            "false",
        ),
        (
            "cidr('192.168.0.1/24').masked() == cidr('192.168.0.0/24')",
            "true",
        ),
        ("cidr('2001:db8::/32').prefixLength()", "32"),
        ("cidr('192.168.0.0/24').ip() == ip('192.168.0.0')", "true"),
        ("type(ip('::1')) == net.IP && isCIDR('::/0')", "true"),
    ]);
    check_errors(&[
        (
            "ip('192.168.0.')",
            "IP Address \"192.168.0.\" parse error during conversion from string: ParseAddr(\"192.168.0.\"): unable to parse IP",
        ),
        (
            "cidr('192.168.0.0/')",
            "network address parse error during conversion from string: network address parse error during conversion from string: netip.ParsePrefix(\"192.168.0.0/\"): bad bits after slash: \"\"",
        ),
    ]);
}

#[test]
fn amounts_and_versions() {
    check(&[
        ("quantity('1.5Gi').isGreaterThan(quantity('1500Mi'))", "true"),
        (
            "quantity('50M') == quantity('50000k') && quantity('0.1') == quantity('100m')",
            "true",
        ),
        (
            "quantity('1').add(quantity('1500m')).sub(1).asApproximateFloat()",
            "1.5",
        ),
        ("quantity('5k').asInteger() + quantity('-1').sign()", "4999"),
        (
            "!quantity('500m').isInteger() && isQuantity('1e3') && !isQuantity('1x')",
            "true",
        ),
        ("quantity('1').compareTo(quantity('2'))", "-1"),
        ("semver('1.2.3').isLessThan(semver('1.10.0'))", "true"),
        ("semver('1.0.0-alpha').compareTo(semver('1.0.0'))", "-1"),
        ("semver('v01.2', true).minor() + semver('1.2.3').patch()", "5"),
        (
            "isSemver('1.2.3-rc.1+b') && !isSemver('1.2') && isSemver('v1.2', true)",
            "true",
        ),
    ]);
    check_errors(&[("quantity('500m').asInteger()", "cannot convert value to integer")]);
}

#[test]
fn urls_and_formats() {
    check(&[
        (
            "url('https://user@example.com:80/p a?k=v&k=w').getHost()",
            "\"example.com:80\"",
        ),
        (
            "url('https://example.com:80/').getHostname() + url('https://example.com:80/').getPort()",
            "\"example.com80\"",
        ),
        (
            "url('https://[::1]:80/a b').getEscapedPath() + url('/p').getScheme()",
            "\"/a%20b\"",
        ),
        (
            "url('https://e.com/?k1=a&k2=b&k2=c').getQuery()",
            "{\"k1\":[\"a\"],\"k2\":[\"b\",\"c\"]}",
        ),
        ("isURL('https://a.b/') && !isURL('../x') && isURL('/x')", "true"),
        ("!format.dns1123Label().validate('my-label').hasValue()", "true"),
        ("format.dns1123Label().validate('My').hasValue()", "true"),
        (
            "format.named('uuid').value().validate('x').value()",
            "[\"does not match the UUID format\"]",
        ),
        ("format.named('none').hasValue()", "false"),
        ("jsonpatch.escapeKey('a/b~c')", "\"a~1b~0c\""),
    ]);
}

#[test]
fn a_pattern_that_is_made_up_for_each_item_costs_what_compiling_it_takes() {
    let cost = |source: &str| {
        let program = crate::env().compile(source).unwrap();
        let (result, cost) = program.eval(&[Some(cel::Value::Int(7)), None], cel::PER_CALL_LIMIT);
        (
            result
                .map(|value| value.to_json())
                .map_err(|error| error.to_string()),
            cost,
        )
    };
    let (one, once) = cost("['a', 'a', 'a'].all(p, 'a'.matches(p))");
    let (other, thrice) = cost("['a', 'b|a', 'c|a'].all(p, 'a'.matches(p))");
    assert_eq!((one.as_deref(), other.as_deref()), (Ok("true"), Ok("true")));
    assert!(once < 400 && thrice > 600, "{once} {thrice}");
    let (heavy, _) =
        cost(r"[1, 2, 3, 4, 5, 6, 7, 8, 9].all(n, !'z'.matches('\\pL{' + string(80 + n) + '}'))");
    assert_eq!(
        heavy.unwrap_err(),
        "operation cancelled: actual cost limit exceeded"
    );
    let (wrong, _) = cost("'a'.matches('(' + 'a')");
    assert_eq!(
        wrong.unwrap_err(),
        "error parsing regexp: missing closing ): `(a`"
    );
    let many = [r"'z'.matches('\\pL{60}')"; 3].join(" || ");
    assert!(
        crate::env()
            .compile(&many)
            .unwrap_err()
            .to_string()
            .contains("invalid matches argument")
    );
}
