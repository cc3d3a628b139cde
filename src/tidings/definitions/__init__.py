"""YAML to typed, located definitions: loader, phrases, kinds, references, diagnostics."""
