printf abcdef > token.txt
