//! The forms of one result: for people, for programs, for code scanning, for GitHub. Each is a pure
//! function from what was found to text.

pub mod function;
pub mod github;
pub mod json;
pub mod sarif;
pub mod text;
