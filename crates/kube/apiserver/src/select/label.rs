//! Label selectors: requirements that all must hold.

use std::fmt;

use schema::cursor::Ref;

use super::parse::{ParseError, checked, parse};

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `a in (x,y)`
    In,
    /// `a notin (x,y)`: true also without the label
    NotIn,
    /// `a=x`
    Equals,
    /// `a==x`
    DoubleEquals,
    /// `a!=x`: true also without the label
    NotEquals,
    /// `a`
    Exists,
    /// `!a`
    DoesNotExist,
    /// `a>1`
    GreaterThan,
    /// `a<1`
    LessThan,
}

impl Operator {
    const SYMBOLS: [(&'static str, Self); 7] = [
        ("in", Self::In),
        ("notin", Self::NotIn),
        ("=", Self::Equals),
        ("==", Self::DoubleEquals),
        ("!=", Self::NotEquals),
        (">", Self::GreaterThan),
        ("<", Self::LessThan),
    ];

    pub(super) fn of_symbol(symbol: &str) -> Option<Self> {
        let mut rows = Self::SYMBOLS.into_iter();
        rows.find_map(|(known, operator)| (known == symbol).then_some(operator))
    }

    /// As `matchExpressions` name it.
    fn of_word(word: &str) -> Option<Self> {
        Some(match word {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            _ => return None,
        })
    }
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label.
    pub key: String,
    /// The comparison.
    pub operator: Operator,
    /// What it is compared with, sorted; none for [`Operator::Exists`] and its opposite.
    pub values: Vec<String>,
}

impl Requirement {
    /// Whether a label with this value, or its absence, meets it.
    pub fn met_by(&self, value: Option<&str>) -> bool {
        let among = |value: &str| self.values.iter().any(|allowed| allowed == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(among),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(among),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan => self.ordered(value, i64::gt),
            Operator::LessThan => self.ordered(value, i64::lt),
        }
    }

    fn ordered(&self, value: Option<&str>, compare: fn(&i64, &i64) -> bool) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = self.values.first().and_then(|bound| number(bound));
        value
            .and_then(number)
            .zip(bound)
            .is_some_and(|(value, bound)| compare(&value, &bound))
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match self.operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// Conditions on labels that all must hold. The default has none and selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    pub(super) fn new(mut requirements: Vec<Requirement>) -> Self {
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Self(requirements)
    }

    /// Reads `a=b,c in (d,e),!f`.
    ///
    /// # Errors
    /// Upstream's sentence.
    pub fn parse(selector: &str) -> Result<Self, ParseError> {
        parse(selector)
    }

    /// The selector that a `metav1.LabelSelector` in an object means: absent selects nothing (`None`), empty
    /// everything.
    ///
    /// # Errors
    /// An operator, key or value that is not allowed.
    pub fn of(selector: Ref<'_>) -> Result<Option<Self>, ParseError> {
        if !selector.exists() {
            return Ok(None);
        }
        let labels = selector
            .at("matchLabels")
            .entries()
            .map(|(key, value)| checked(key.to_owned(), Operator::Equals, vec![value.str().to_owned()]));
        let expressions = selector.at("matchExpressions").items().map(|expression| {
            let operator = expression.at("operator").str();
            let mut values: Vec<String> = expression.at("values").strings().map(str::to_owned).collect();
            values.sort_unstable();
            let known = Operator::of_word(operator)
                .ok_or_else(|| ParseError(format!("{operator:?} is not a valid label selector operator")))?;
            checked(expression.at("key").str().to_owned(), known, values)
        });
        let requirements: Result<Vec<_>, _> = labels.chain(expressions).collect();
        Ok(Some(Self::new(requirements?)))
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The conditions, by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }

    /// Whether labels, given as a look-up, are selected.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.met_by(label(&requirement.key)))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{requirement}")?;
        }
        Ok(())
    }
}
