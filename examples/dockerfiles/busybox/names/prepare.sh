mkdir names; cd names
long=$(printf 'l%.0s' $(seq 200))
for f in 'with space' "quo'te" 'do"uble' 'dol$lar' 'semi;colon' 'star' '日本語' 'ünï' '-dash' '.dot' 'a,b=c' '#hash' "$long" 'e	tab' '%percent' '..twodots' 'trailing.'; do echo "$f" > "./$f"; done
cd ..; d=deep; for i in $(seq 40); do d=$d/level-$i; done; mkdir -p $d; echo bottom > $d/bottom
