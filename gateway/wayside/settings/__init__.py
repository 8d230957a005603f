"""What every file and table that people write is made of: the strict base, values that are parsed, explained errors.

`table` is the base, `config_values`, `client` and `secret_role` are values, `toml_file` (with `toml_bounds`) reads and
explains, `kind_files` finds kinds of which each is a file. The tables themselves stand beside the code that uses them,
and the site file that they make, whole, is `site.config`. Imports `net`, `text` and the names of `evidence`.
"""
