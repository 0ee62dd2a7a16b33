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
