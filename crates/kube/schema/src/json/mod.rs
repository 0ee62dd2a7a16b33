//! JSON: the decoder that walks a row once and reports what upstream would, and the encoder that
//! prints upstream's field order and emission rules.

mod decode;
mod encode;
mod pick;
mod reader;
mod report;
mod swar;
pub(crate) mod text;
mod untyped;

pub use decode::{DecodeError, Decoded, Options, decode};
pub(crate) use decode::{decode_member, vanishes, zero};
pub(crate) use encode::encode_body;
pub use encode::{encode, encode_untyped, encode_value};
pub use pick::pick;
pub use reader::{MAX_DEPTH, Reader, SyntaxError, Token};
pub use report::go_quote;
pub use report::{Issue, IssueKind, strict_error};
pub use text::{float as write_float, int as write_int, string as write_string};
pub(crate) use untyped::number as parse_number;
pub use untyped::parse;
