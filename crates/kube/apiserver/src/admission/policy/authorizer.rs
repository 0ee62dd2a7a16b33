//! The server's authorizer, as expressions ask it.

use std::fmt;

use auth::{Attributes, Decision, UserInfo};
use cel::{Asked, Authorizer, Value, Verdict};

use crate::admission::Request;

/// Who decides for the user of a request.
pub(super) struct Asker<'r>(pub(super) &'r Request<'r>);

impl fmt::Debug for Asker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server's authorizer")
    }
}

impl Authorizer for Asker<'_> {
    fn decide(&self, asked: &Asked) -> Verdict {
        let op = self.0.op;
        let account = asked.service_account.as_ref();
        let account = account.map(|(namespace, name)| UserInfo::service_account(namespace, name, ""));
        let user = account.as_ref().unwrap_or(&op.call.user);
        let mut attributes = Attributes::of(user, &asked.verb, &asked.group, &asked.resource);
        attributes.subresource = &asked.subresource;
        attributes.namespace = &asked.namespace;
        attributes.name = &asked.name;
        attributes.field_selector = &asked.field_selector;
        if let Some(path) = &asked.path {
            attributes.is_resource = false;
            attributes.path = path;
        }
        match op.state.authz.decide(op.state, &attributes) {
            Decision::Allow(reason) => Verdict {
                allowed: true,
                reason,
                error: None,
            },
            Decision::NoOpinion(reason) => Verdict {
                allowed: false,
                reason,
                error: None,
            },
        }
    }
}

impl Asker<'_> {
    /// `authorizer` and `authorizer.requestResource`.
    pub(super) fn variables(&self) -> [Value<'_>; 2] {
        let (op, request) = (self.0.op, self.0);
        let asked = Asked {
            group: op.served.def.group.to_string(),
            resource: op.served.def.plural.to_string(),
            subresource: op.subresource.to_owned(),
            namespace: op.namespace.to_owned(),
            name: request.name.to_owned(),
            ..Asked::default()
        };
        [Value::authorizer(self), Value::resource_check(self, asked)]
    }
}
