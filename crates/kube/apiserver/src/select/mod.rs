//! Label and field selectors. (READ)
