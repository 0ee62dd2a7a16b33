use std::collections::BTreeMap;

use super::*;
use proptest::prelude::*;

struct Table;

impl Variables for Table {
    fn get(&self, name: &str) -> Option<&str> {
        match name {
            "A" => Some("a value"),
            "E" => Some(""),
            "P" => Some("/usr/local/lib.tar.gz"),
            "X" => Some("aXbXc"),
            _ => None,
        }
    }
}

#[test]
fn words_expand() {
    let cases = [
        ("plain", "plain"),
        ("$A-${A}_$", "a value-a value_$"),
        ("'$A' \"$A\" \\$A", "$A a value $A"),
        ("\"a\\\"b\\c\\\\\"", "a\"b\\c\\"),
        ("${E:-d}${E-d}${N:-d}${N-d}", "ddd"),
        ("${A:+s}${E:+s}${E+s}${N+s}", "ss"),
        ("${A:?m}${E?m}", "a value"),
        ("${N:-${A}x}", "a valuex"),
        (
            "${P##*/} ${P#*/} ${P%.*} ${P%%.*}",
            "lib.tar.gz usr/local/lib.tar.gz /usr/local/lib.tar /usr/local/lib",
        ),
        ("${X/X/-} ${X//X/-} ${X//[/-}", "a-bXc a-b-c aXbXc"),
        ("${X//\\//-}${X/?/_}", "aXbXc_XbXc"),
        ("${X//*/y}", "y"),
        ("$1x$@", "x"),
        ("back\\", "back"),
        ("a <<EOF", "a <<EOF"),
        ("$.x $ ${A:+${E:-${N:-in}}}", "$.x $ in"),
        ("${N:-\\$A} ${N:-'q } r'}", "$A q } r"),
        ("a\\tb \"a\\tb\" 'a\\tb'", "atb a\\tb a\\tb"),
        ("${001}${1:-p}$12z ${!}${#:-h}${-:+m}", "pz h"),
        ("${A}} {$A} $A$", "a value} {a value} a value$"),
        ("안${N:-녕}'하'", "안녕하"),
        ("${N#a}${E%b}${X#*b}${X%X*}", "XcaXb"),
        ("${X##*X}${X%%X*}${X//?X/--}", "ca----c"),
        (
            "${P/\\/usr/} ${P//[.]/_}",
            "/local/lib.tar.gz /usr/local/lib.tar.gz",
        ),
        ("${P//./_}", "/usr/local/lib_tar_gz"),
    ];
    for (word, expected) in cases {
        assert_eq!(
            Lex::new('\\').word(word, &Table).as_deref(),
            Ok(expected),
            "{word}"
        );
    }
}

#[test]
fn words_split() {
    let words = |text| Lex::new('\\').words(text, &Table).unwrap();
    assert_eq!(words("x $A 'b c' d\\ e"), ["x", "a", "value", "b c", "d e"]);
    assert_eq!(words(" \"$A\" $E "), ["a value"]);
    assert_eq!(words("RUN << EOF"), ["RUN", "<< EOF"]);
}

#[test]
fn errors() {
    let cases = [
        (
            "'x",
            "unexpected end of statement while looking for matching single-quote",
        ),
        (
            "\"x",
            "unexpected end of statement while looking for matching double-quote",
        ),
        ("${", "syntax error: missing '}'"),
        ("${A", "unsupported modifier (\u{fffd}) in substitution"),
        ("${A:-x", "syntax error: missing '}'"),
        ("${A/x}", "syntax error: missing '/' in ${}"),
        ("${}", "syntax error: bad substitution"),
        ("${{A}", "syntax error: bad substitution"),
        ("${A:#x}", "unsupported modifier (:#) in substitution"),
        ("${A^}", "unsupported modifier (^) in substitution"),
        ("${N?}", "N: is not allowed to be unset"),
        ("${E:?}", "E: is not allowed to be empty"),
        ("${N:?say so}", "N: say so"),
        (
            "${A#\\x}",
            "invalid pattern (\\x) in substitution: invalid escape '\\x'",
        ),
    ];
    for (word, expected) in cases {
        let error = Lex::new('\\').word(word, &Table).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("failed to process {}: {expected}", golang::quote(word))
        );
    }
    let deep = "${A:-".repeat(10_000);
    assert!(Lex::new('\\').word(&deep, &NoVariables).is_err());
}

/// Values of values, and patterns that fit everywhere, cost no more than the limits.
#[test]
fn what_a_word_costs_is_bounded() {
    let long = BTreeMap::from([
        ("L".to_owned(), "a".repeat(1 << 16)),
        ("S".to_owned(), "a".repeat(4096)),
    ]);
    let lex = Lex::new('\\');
    let reason = |word: &str| lex.word(word, &long).unwrap_err().reason;
    assert_eq!(reason(&"$L".repeat(65)), Reason::Size);
    assert_eq!(reason("${L//a/$L}"), Reason::Size);
    assert_eq!(reason("${L//*a*a*a*b/x}"), Reason::Steps);
    assert_eq!(reason(&format!("${{L#{}b}}", "*a".repeat(3000))), Reason::Steps);
    // What people write is far below.
    assert_eq!(lex.word("${S//a/bb}", &long).unwrap().len(), 8192);
}

#[test]
fn an_expansion_says_which_variables_it_took() {
    let expanded = Lex::new('\\')
        .expand("$A ${N:-$M} ${E+$O} '$Q' \\$R", &Table)
        .unwrap();
    let names = |names: &BTreeSet<String>| names.iter().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(
        (names(&expanded.matched), names(&expanded.unmatched)),
        ("A E".into(), "M N O".into())
    );
}

#[test]
fn raw_forms_keep_what_was_written() {
    let lex = Lex {
        raw_quotes: true,
        raw_escapes: true,
        keep_unset: true,
        ..Lex::new('\\')
    };
    for text in ["'a' \"b\\\"c\" \\d $N ${N} ${N:-x} ${N/a/b}", "<<'EOF'"] {
        assert_eq!(lex.word(text, &NoVariables).as_deref(), Ok(text));
    }
}

proptest! {
    #[test]
    fn never_panics(word in "[-a${}:+?#%/'\"\\\\ <*]{0,40}") {
        for escape in ['\\', '`'] {
            let _ = Lex::new(escape).words(&word, &Table);
        }
    }

    #[test]
    fn plain_text_stays(word in "[a-z0-9 ./=-]{0,40}") {
        prop_assert_eq!(Lex::new('\\').word(&word, &Table).unwrap(), word);
    }
}
