/* Where tree-sitter grammars are looked for:
 *     the folders of $LACUNA_GRAMMARS (separated by ':'), lib/lacuna/grammars beside the program's bin (installed), grammars in the build
 *     folder the program runs from, and the parsers of Neovim: $XDG_DATA_HOME/nvim/site/parser, nvim/lazy/nvim-treesitter/parser there, and
 *     lib/nvim/parser in /usr/local and /usr. */
#ifndef COMMON_GRAMMAR_PATH_H
#define COMMON_GRAMMAR_PATH_H

/* Those of them that are there, as lacuna_document_open() takes them; the caller's to free. */
char *grammar_path(void);

#endif
