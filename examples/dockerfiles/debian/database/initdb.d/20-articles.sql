insert into article values ('mug'), ('crane');
