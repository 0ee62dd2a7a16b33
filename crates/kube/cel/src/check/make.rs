//! Lists, maps and objects that are written out: their elements have a type in common.

use super::Checker;
use super::unify::most_general;
use crate::syntax::ast::{Entry, ExprId, Field, Item};
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn list(&mut self, items: &[Item]) -> Type {
        let mut common = None;
        for item in items {
            let ty = self.check(item.value);
            let ty = self.unwrap(item.value, ty, item.optional);
            common = Some(self.join(item.value, common, ty));
        }
        Type::list(common.unwrap_or_else(|| self.bindings.fresh()))
    }

    pub(super) fn map(&mut self, entries: &[Entry]) -> Type {
        let mut keys = None;
        let mut values = None;
        for entry in entries {
            let key = self.check(entry.key);
            keys = Some(self.join(entry.key, keys, key));
            let value = self.check(entry.value);
            let value = self.unwrap(entry.value, value, entry.optional);
            values = Some(self.join(entry.value, values, value));
        }
        let key = keys.unwrap_or_else(|| self.bindings.fresh());
        let value = values.unwrap_or_else(|| self.bindings.fresh());
        Type::map(key, value)
    }

    /// What is in the optional that an element marked with `?` has to be.
    fn unwrap(&mut self, id: ExprId, ty: Type, optional: bool) -> Type {
        if !optional {
            return ty;
        }
        match self.bindings.resolve(&ty, false) {
            Type::Optional(of) => (*of).clone(),
            Type::Dyn => Type::Dyn,
            other => {
                self.mismatch(id, &Type::optional(other.clone()), &other);
                other
            }
        }
    }

    /// The type of elements of which some are of the one type and this is of the other.
    fn join(&mut self, id: ExprId, earlier: Option<Type>, ty: Type) -> Type {
        let Some(earlier) = earlier else {
            return ty;
        };
        if self.bindings.assignable(&earlier, &ty) {
            return most_general(&earlier, &ty).clone();
        }
        self.mismatch(id, &earlier, &ty);
        Type::Error
    }

    pub(super) fn object(&mut self, id: ExprId, name: &str, fields: &[Field]) -> Type {
        let Some(object) = self.objects.find(name) else {
            return self.undeclared(id, name);
        };
        for field in fields {
            let value = self.check(field.value);
            let value = self.unwrap(field.value, value, field.optional);
            let Some(decl) = object.field(&field.name) else {
                self.found
                    .at(field.offset, format!("undefined field '{}'", field.name));
                continue;
            };
            let wanted = decl.ty();
            if !self.bindings.assignable(&wanted, &value) {
                let value = self.bindings.resolve(&value, true);
                let message = format!(
                    "expected type of field '{}' is '{wanted}' but provided type is '{value}'",
                    field.name
                );
                self.found.at(field.offset, message);
            }
        }
        Type::Object(object)
    }
}
