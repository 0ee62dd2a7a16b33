//! Numbers: bounds, multiples, and whether they fit their format.

use schema::json::write_float;

use super::{Spot, Walk};
use crate::format::Check;
use crate::node::Node;
use crate::view::View;

/// How upstream names the format of a value that it has at hand.
pub(super) fn format_of(value: View<'_>) -> &'static str {
    match value {
        View::Int(_) => "int64",
        View::Float(_) => "float64",
        _ => "",
    }
}

/// As Go's `%v` prints a double.
pub(crate) fn go_float(float: f64) -> String {
    let mut out = Vec::new();
    write_float(&mut out, float);
    String::from_utf8_lossy(&out).into_owned()
}

#[expect(clippy::cast_precision_loss, reason = "bounds are doubles")]
fn as_float(value: View<'_>) -> f64 {
    match value {
        View::Int(int) => int as f64,
        View::Float(float) => float,
        _ => 0.0,
    }
}

impl Walk<'_> {
    pub(super) fn number(&mut self, node: &Node, value: View<'_>, spot: &Spot<'_>) {
        self.fits(node, value, spot);
        let (number, bad) = (as_float(value), value.bad(self.types));
        if let Some(factor) = node.multiple_of {
            let times = number / factor;
            if factor <= 0.0 {
                let detail = format!(
                    "factor MultipleOf declared for {} must be positive: {}",
                    spot.text(),
                    go_float(factor)
                );
                self.push(schema::field::Error::invalid(
                    &self.path(spot),
                    bad.clone(),
                    detail,
                ));
            } else if times.fract() != 0.0 {
                self.invalid(
                    spot,
                    bad.clone(),
                    &format!("should be a multiple of {}", go_float(factor)),
                );
            }
        }
        if let Some(min) = node
            .minimum
            .filter(|min| number < min.at || (min.exclusive && number <= min.at))
        {
            let words = if min.exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            self.invalid(
                spot,
                bad.clone(),
                &format!("should be {words} {}", go_float(min.at)),
            );
        }
        if let Some(max) = node
            .maximum
            .filter(|max| number > max.at || (max.exclusive && number >= max.at))
        {
            let words = if max.exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            self.invalid(spot, bad, &format!("should be {words} {}", go_float(max.at)));
        }
        self.matched += 2;
    }

    /// Upstream checks formats of the one type that they belong to.
    fn fits(&mut self, node: &Node, value: View<'_>, spot: &Spot<'_>) {
        let Some(format) = node.format else { return };
        let fits = match (format.check, value) {
            (Check::Int32, View::Int(int)) => i32::try_from(int).is_ok(),
            (Check::Float32, value) => as_float(value).abs() <= f64::from(f32::MAX),
            _ => true,
        };
        if !fits {
            let (ty, at) = (node.types.names(), spot.text());
            self.loose(format!(
                "Checked value must be of type {ty} with format {} in {at}",
                format.name
            ));
        }
    }
}
