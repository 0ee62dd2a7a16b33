create table article (name text primary key);
