mkdir -p node_modules coverage/html .git
echo host > node_modules/host.txt; echo log > npm-debug.log; echo ref > .git/HEAD
echo page > coverage/html/index.html; echo 100 > coverage/summary.txt
