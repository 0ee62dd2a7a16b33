//! Discovery, OpenAPI, version, and Tables of what is read. (SHOW)
