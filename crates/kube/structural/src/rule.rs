//! `x-kubernetes-validations`: one rule of a schema, as the definition has it.

use schema::cursor::Ref;

/// A rule in CEL and what is said when it does not hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// The expression, over `self` and `oldSelf`.
    pub rule: String,
    /// What is said.
    pub message: String,
    /// An expression of what is said; goes before `message` where it can be evaluated.
    pub message_expression: String,
    /// The `reason` of the cause; empty for `FieldValueInvalid`.
    pub reason: String,
    /// Which field below the node is named.
    pub field_path: String,
    /// Whether `oldSelf` is an optional value, so that the rule is evaluated at create too; none if not said.
    pub optional_old_self: Option<bool>,
}

impl Rule {
    pub(crate) fn parse(rule: Ref<'_>) -> Self {
        let text = |name: &str| rule.at(name).str().to_owned();
        Self {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: rule.at("optionalOldSelf").boolean(),
        }
    }
}
