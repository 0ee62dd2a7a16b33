//! "Did you mean": the nearest of some names, as upstream chooses it.

/// A name this many changes away is another name.
const FAR: usize = 3;
/// Longer words are nobody's slip of the pen, and comparing them would cost their product.
const MAX_WORD: usize = 64;

/// The option nearest to a word; `None` if none is near, or if the word is one of them.
pub(crate) fn nearest<'a>(
    word: &str,
    options: impl IntoIterator<Item = &'a str>,
    case_matters: bool,
) -> Option<String> {
    let fold = |text: &str| {
        if case_matters {
            text.to_owned()
        } else {
            text.to_lowercase()
        }
    };
    let folded = fold(word);
    if folded.len() > MAX_WORD {
        return None;
    }
    let mut best = None;
    let mut least = FAR;
    for option in options {
        let option = fold(option);
        if option == folded {
            return None;
        }
        let distance = distance(&folded, &option);
        if distance < least {
            least = distance;
            best = Some(option);
        }
    }
    best.map(|best| in_case_of(&best, word, case_matters))
}

/// A sentence with upstream's hint behind it, if there is a name near.
pub(crate) fn hinted<'a>(
    sentence: String,
    word: &str,
    options: impl IntoIterator<Item = &'a str>,
    case_matters: bool,
) -> String {
    match nearest(word, options, case_matters) {
        Some(near) => format!("{sentence} (did you mean {near}?)"),
        None => sentence,
    }
}

fn in_case_of(found: &str, written: &str, case_matters: bool) -> String {
    if !case_matters && written == written.to_uppercase() {
        found.to_uppercase()
    } else {
        found.to_owned()
    }
}

/// Levenshtein's distance.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, c) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, d) in other.iter().enumerate() {
            let change = diagonal + usize::from(c != *d);
            diagonal = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_seen_and_strangers_are_not() {
        let names = ["FROM", "RUN", "COPY", "ENTRYPOINT"];
        let near = |word| nearest(word, names, false);
        assert_eq!(near("FORM").as_deref(), Some("FROM"));
        assert_eq!(near("entypoint").as_deref(), Some("entrypoint"));
        assert_eq!(near("Cpoy").as_deref(), Some("copy"));
        assert_eq!(near("NOTHINGLIKEIT"), None);
        assert_eq!(near("run"), None);
        assert_eq!(nearest("Form", ["from"], true).as_deref(), None);
        assert_eq!(nearest(&"x".repeat(1000), ["x"], true), None);
    }
}
