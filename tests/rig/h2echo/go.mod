module h2echo

go 1.19
