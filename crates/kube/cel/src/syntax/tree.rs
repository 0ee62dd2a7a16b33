//! The tree that grows: nodes are added once their operands are there, and no deeper than upstream takes.

use super::ast::{Expr, ExprId, Literal, Node, children};
use super::parser::{DEEPEST, Parser, Stop};

impl Parser<'_> {
    pub(super) fn literal_node(&mut self, offset: u32, value: Literal) -> Result<ExprId, Stop> {
        self.push(offset, Expr::Literal(value))
    }

    pub(super) fn call(
        &mut self,
        offset: u32,
        function: &str,
        target: Option<ExprId>,
        args: &[ExprId],
    ) -> Result<ExprId, Stop> {
        let call = Expr::Call {
            function: function.into(),
            target,
            args: args.into(),
        };
        self.push(offset, call)
    }

    /// Adds a node, unless the tree becomes too deep.
    pub(super) fn push(&mut self, offset: u32, expr: Expr) -> Result<ExprId, Stop> {
        let mut below = 0;
        children(&expr, |child| below = self.depths[child.index()].max(below));
        let depth = below + u16::from(self.deepens(&expr));
        if depth > DEEPEST {
            return Err(self.too_deep("max recursion depth exceeded"));
        }
        let id = ExprId(u32::try_from(self.nodes.len()).map_err(|_| Stop)?);
        self.nodes.push(Node { offset, expr });
        self.depths.push(depth);
        Ok(id)
    }

    /// Whether a node counts as a level: logical operators are balanced, and of what a macro makes only the
    /// loop counts, so that a macro is one level as it is in the text.
    fn deepens(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Fold(_) => true,
            Expr::Call { function, .. } if matches!(&**function, "_&&_" | "_||_") => false,
            _ => !self.expanding,
        }
    }

    pub(super) fn too_deep(&mut self, message: &str) -> Stop {
        self.found.whole(message);
        Stop
    }
}
