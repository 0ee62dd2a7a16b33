require('assert').equal(1, 1);
