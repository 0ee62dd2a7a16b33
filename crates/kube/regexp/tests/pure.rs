//! Expressions and what they match, as Go has it; and that no expression does harm.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use proptest::prelude::*;
use regexp::Regexp;

/// Whether an expression has a match in a text.
fn matches(expression: &str, text: &str) -> bool {
    Regexp::new(expression).unwrap().is_match(text)
}

#[test]
fn classes_of_perl_and_posix_are_ascii_and_those_of_unicode_are_not() {
    for (expression, yes, no) in [
        (r"^\d$", "7", "٣"),
        (r"^\w$", "_", "é"),
        (r"^\s$", "\t", "\u{b}"),
        (r"^\S$", "\u{a0}", " "),
        (r"^\D$", "٣", "7"),
        (r"^[\w-]+$", "a-b", "é"),
        (r"^[^\d]$", "٣", "3"),
        (r"^[[:alpha:]]$", "a", "é"),
        (r"^[[:^alpha:]]$", "é", "a"),
        (r"^\p{Greek}$", "α", "a"),
        (r"^\pL$", "é", "1"),
        (r"^\p{Lu}\P{Lu}$", "Éé", "éÉ"),
        (r"^\p{^Greek}$", "a", "α"),
        (r"^\P{^Greek}$", "α", "a"),
        (r"^[\p{L}\p{Nd}]+$", "é٣", "-"),
        (r"(?i)^straße$", "STRAßE", "strasse"),
        (r"(?i)^k$", "\u{212a}", "c"),
        (r"\bé", "xé", "é"),
    ] {
        assert!(matches(expression, yes), "{expression} {yes}");
        assert!(!matches(expression, no), "{expression} {no}");
    }
}

#[test]
fn what_go_takes_literally_is_literal() {
    for (expression, yes, no) in [
        ("^a{,3}$", "a{,3}", "aaa"),
        ("^a{x}$", "a{x}", "ax"),
        ("^a{01}$", "a{01}", "a"),
        ("^{2}$|^x", "x", "{3}"),
        (r"^\Qa.b*\E+$", "a.b**", "aab"),
        (r"^\Qa\E\.$", "a.", "ab"),
        ("^[]a]$", "]", "b"),
        ("^[a-]$", "-", "b"),
        ("^[&&~]$", "~", "a"),
        ("^[a[]$", "[", "b"),
        (r"^\x41\x{1F600}\101\0$", "A😀A\0", "AA"),
        (r"^\-\ \#$", "- #", "-"),
        (r"^\a\f\v$", "\u{7}\u{c}\u{b}", "afv"),
        ("^#a b$", "#a b", "#ab"),
    ] {
        match Regexp::new(expression) {
            Ok(compiled) => {
                assert!(compiled.is_match(yes), "{expression} {yes}");
                assert!(!compiled.is_match(no), "{expression} {no}");
            }
            Err(error) => panic!("{expression}: {error}"),
        }
    }
}

#[test]
fn flags_groups_and_places() {
    for (expression, yes, no) in [
        ("(?i)abc", "xABCx", "ab"),
        ("a(?i)b|c", "C", "A"),
        ("(?i:a)b", "Ab", "AB"),
        ("(?s)a.b", "a\nb", "ab"),
        ("a.b", "axb", "a\nb"),
        ("(?m)^b$", "a\nb\nc", "ab"),
        ("^b$", "b", "b\n"),
        ("(?P<name>a)(?<other>b)", "ab", "a"),
        (r"\Aa\z", "a", "a\n"),
        ("(?i)(?-i)a", "a", "A"),
        ("()a", "a", "b"),
        ("(|a)+b", "aab", "c"),
        ("(?)a", "a", "b"),
    ] {
        assert!(matches(expression, yes), "{expression} {yes}");
        assert!(!matches(expression, no), "{expression} {no}");
    }
    let lazy = Regexp::new("(?U)a+").unwrap();
    assert_eq!(lazy.find("aaa"), Some(0..1));
    let all: Vec<_> = Regexp::new("a|b+?").unwrap().find_all("abb").collect();
    assert_eq!(all, [0..1, 1..2, 2..3]);
}

#[test]
fn mistakes_are_told_in_gos_words() {
    for (expression, text) in [
        ("(", "missing closing ): `(`"),
        ("a)b", "unexpected ): `a)b`"),
        ("[a", "missing closing ]: `[a`"),
        ("x[]", "missing closing ]: `[]`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("[[:no:]]", "invalid character class range: `[:no:]`"),
        (r"\p{Nonsense}", r"invalid character class range: `\p{Nonsense}`"),
        (r"\p{sc=Greek}", r"invalid character class range: `\p{sc=Greek}`"),
        (r"\p", r"invalid character class range: `\p`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a|*", "missing argument to repetition operator: `*`"),
        ("(+)", "missing argument to repetition operator: `+`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("a???", "invalid nested repetition operator: `???`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("a{3,2}", "invalid repeat count: `{3,2}`"),
        ("a{99999999999}", "invalid repeat count: `{99999999999}`"),
        ("(a{500}){500}", "invalid repeat count: `{500}`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ("(?<!a)", "invalid named capture: `(?<!a)`"),
        ("(?P<n>a)(?P<n>b)", "invalid named capture: `n`"),
        ("(?P<a-b>a)", "invalid named capture: `(?P<a-b>`"),
        (r"a\", "trailing backslash at end of expression: ``"),
        (r"\y", r"invalid escape sequence: `\y`"),
        (r"\Z", r"invalid escape sequence: `\Z`"),
        (r"\1", r"invalid escape sequence: `\1`"),
        (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
        (r"[a-\d]", r"invalid escape sequence: `\d`"),
    ] {
        let error = Regexp::new(expression).expect_err(expression);
        assert_eq!(
            error.to_string(),
            format!("error parsing regexp: {text}"),
            "{expression}"
        );
    }
}

#[test]
fn what_is_too_large_or_too_deep_is_refused() {
    let deep = format!("{}a{}", "(".repeat(2_000), ")".repeat(2_000));
    let error = Regexp::new(&deep).expect_err("deep");
    assert_eq!(error.fault(), regexp::Fault::TooDeep);
    for large in [
        r"\pL{1000}",
        r"(\pL{10}){100}",
        r"[\pL\pN]{80}",
        &r"\p{L}".repeat(1_000),
        &"a".repeat(100_000),
    ] {
        assert_eq!(
            Regexp::new(large).expect_err("large").fault(),
            regexp::Fault::TooLarge
        );
    }
}

#[test]
fn what_is_taken_is_compiled_and_weighed() {
    for (expression, weight) in [
        ("abc", 3),
        ("[a-z]{3}", 40),
        (r"\pL{1,63}", 31_501),
        (r"[\p{L}\p{N}]{1,63}", 63_064),
        ("(a{500}){2}", 1_003),
        (r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", 102),
    ] {
        assert_eq!(regexp::weight(expression), Ok(weight), "{expression}");
        Regexp::new(expression).expect(expression);
    }
}

proptest! {
    #[test]
    fn nothing_does_harm(expression in r"[\\a-d()\[\]{}*+?|^$.,0-9:<>=PQEpx\-é ]{0,24}", text in "[a-dé0-9 ]{0,12}") {
        if let Ok(compiled) = Regexp::new(&expression) {
            compiled.is_match(&text);
        }
    }

    /// What is quoted matches itself and nothing else of its length.
    #[test]
    fn a_quotation_is_itself(text in any::<String>()) {
        prop_assume!(!text.contains("\\E"));
        let quoted = format!(r"\A\Q{text}\E\z");
        prop_assert!(matches(&quoted, &text));
    }
}
