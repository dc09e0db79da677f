#!/usr/bin/env bash
# Compiles the tables of write-latex.ts (in folder $1) with pdflatex and nothing beyond Debian's texlive-latex-base.
set -euo pipefail
if ! command -v pdflatex >/dev/null; then
  echo "skipped check_latex.sh: needs pdflatex (apt-get install texlive-latex-base)"
  exit 0
fi
cd "$1"
for table in *.tex; do
  case $table in document-*) continue ;; esac
  document="document-$table"
  printf '\\documentclass{article}\n\\begin{document}\n\\input{%s}\n\\end{document}\n' "$table" >"$document"
  if ! pdflatex -no-shell-escape -halt-on-error -interaction=nonstopmode "$document" >"$document.out" 2>&1; then
    tail -n 20 "$document.out"
    exit 1
  fi
done
echo "$(ls document-*.pdf | wc -l) LaTeX tables compile"
