//! Fields: of objects, maps, optionals, and names with dots in them.

use super::{Checker, Meaning};
use crate::syntax::ast::{Expr, ExprId, Literal};
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn select(&mut self, id: ExprId, operand: ExprId, field: &str, test: bool) -> Type {
        let qualified = (!test).then(|| self.ast.qualified_name(id)).flatten();
        if let Some(name) = qualified
            && let Some((meaning, ty)) = self.scope.find(&name)
        {
            self.meanings[id.index()] = Some(Meaning::Name(meaning));
            return ty;
        }
        let ty = self.field(id, operand, field, false);
        if test {
            Type::Bool
        } else {
            self.bindings.resolve(&ty, false)
        }
    }

    /// The type of a field; of an optional's field, an optional.
    fn field(&mut self, id: ExprId, operand: ExprId, field: &str, optional: bool) -> Type {
        let operand = self.check(operand);
        let operand = self.bindings.resolve(&operand, false);
        let (target, is_optional) = match &operand {
            Type::Optional(of) => (&**of, true),
            other => (other, false),
        };
        let ty = match target {
            Type::Map(entry) => entry.1.clone(),
            Type::Object(object) => match object.field(field) {
                Some(decl) => decl.ty(),
                None => {
                    self.at(id, format!("undefined field '{field}'"));
                    Type::Error
                }
            },
            Type::Var(_) => {
                self.bindings.assignable(&Type::Dyn, target);
                Type::Dyn
            }
            target => {
                if !target.is_dyn_or_error() {
                    self.at(id, format!("type '{target}' does not support field selection"));
                }
                Type::Dyn
            }
        };
        if optional || is_optional {
            Type::optional(ty)
        } else {
            ty
        }
    }

    pub(super) fn optional_select(&mut self, id: ExprId, args: &[ExprId]) -> Type {
        let [operand, name] = args else {
            return Type::Error;
        };
        let Expr::Literal(Literal::String(field)) = self.ast.expr(*name).clone() else {
            return Type::Error;
        };
        self.types[name.index()] = Type::String;
        let ty = self.field(id, *operand, &field, true);
        self.bindings.resolve(&ty, false)
    }
}
