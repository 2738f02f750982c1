"""What is reported: what the configuration of each file, and of each model, lets through.

On the path of a hook with nothing to say.
"""

from __future__ import annotations

import os

from modelint import files, selection
from modelint.config import Config, Configs
from modelint.diagnostics import SEVERITIES, Diagnostic, Severity
from modelint.rule import Status


class Picker:
    """What the configuration of each file lets through."""

    def __init__(self, configs: Configs, given: selection.Layer, preview: bool, fail_on: Severity | None) -> None:
        self._configs = configs
        #: What the command line says.
        self._given = given
        self._preview = preview
        self._fail_on = fail_on
        self._selected: dict[tuple[str, str], bool] = {}
        self._ignores: dict[str, list[tuple[files.Patterns, tuple[str, ...]]]] = {}

    def reports(self, diagnostic: Diagnostic, *, wide: bool) -> bool:
        """Whether to report it; ``wide``: it is of the form that only --preview shows."""
        found = self._configs.of_file(diagnostic.path)
        if wide and not (self._preview or found.preview):
            return False
        key = (os.path.dirname(diagnostic.path), diagnostic.code)
        if key not in self._selected:
            self._selected[key] = self._is_selected(diagnostic.code, found)
        return self._selected[key] and not self._is_ignored(diagnostic, found)

    def reports_drift(self, folder: str, diagnostic: Diagnostic) -> bool:
        """Whether to report what was found of a model; the configuration in ``folder`` declares it."""
        key = (folder, diagnostic.code)
        if key not in self._selected:
            self._selected[key] = self._is_selected(diagnostic.code, self._configs.of_folder(folder))
        return self._selected[key]

    def fails(self, path: str, severity: Severity) -> bool:
        return self.fails_in(os.path.dirname(path), severity)

    def fails_in(self, folder: str, severity: Severity) -> bool:
        threshold = self._fail_on or self._configs.of_folder(folder).fail_on
        return SEVERITIES.index(severity) >= SEVERITIES.index(threshold)

    def _is_selected(self, code: str, found: Config) -> bool:
        from modelint import catalogue

        rule = catalogue.rule(code)
        status: Status = "on" if rule is None else rule.status
        layers = [
            selection.Layer(found.select, found.extend_select, found.ignore),
            self._given,
        ]
        return selection.selects(code, status, layers, preview=self._preview or found.preview)

    def _is_ignored(self, diagnostic: Diagnostic, found: Config) -> bool:
        if found.folder not in self._ignores:
            self._ignores[found.folder] = [
                (files.Patterns(found.folder, files.compile_patterns((pattern,))), codes)
                for pattern, codes in found.per_file_ignores.items()
            ]
        return any(
            patterns.verdict(diagnostic.path, is_folder=False)
            for patterns, codes in self._ignores[found.folder]
            if diagnostic.code.startswith(codes)
        )
