//! `$(NAME)` in values, commands and arguments (`v1 Container.command`).

/// The text with each `$(NAME)` that `lookup` knows replaced. `$$` is a dollar that begins nothing; names that are not
/// known and what is no reference stay as they are. What is put in is not looked at again.
pub fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let (put, after) = reference(&rest[at..], &lookup);
        out.push_str(put);
        rest = after;
    }
    out.push_str(rest);
    out
}

/// What the dollar that `text` begins with stands for, and what comes after.
fn reference<'t, 'a: 't>(text: &'t str, lookup: &impl Fn(&str) -> Option<&'a str>) -> (&'t str, &'t str) {
    if let Some(after) = text.strip_prefix("$$") {
        return ("$", after);
    }
    let name = text
        .strip_prefix("$(")
        .and_then(|open| open.find(')').map(|end| &open[..end]));
    match name {
        Some(name) => {
            let whole = name.len() + 3;
            (lookup(name).unwrap_or(&text[..whole]), &text[whole..])
        }
        None => text.split_at(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_replaced_and_all_else_stays() {
        let known = |name: &str| {
            [("A", "1"), ("B", "$(A)"), ("", "empty")]
                .into_iter()
                .find(|(k, _)| *k == name)
                .map(|(_, v)| v)
        };
        let cases = [
            ("", ""),
            ("plain", "plain"),
            ("$(A)", "1"),
            ("x$(A)y$(B)", "x1y$(A)"),
            ("$$(A)", "$(A)"),
            ("$$$(A)", "$1"),
            ("$(C)", "$(C)"),
            ("$(A", "$(A"),
            ("$A $", "$A $"),
            ("$()", "empty"),
            ("$$", "$"),
            ("é$(A)é", "é1é"),
            ("$é", "$é"),
        ];
        for (text, expected) in cases {
            assert_eq!(expand(text, known), expected, "{text}");
        }
    }
}
