# The Windows twin of entrypoint.sh: every shipment has one; Bellrock never runs it.
$here = Split-Path -Parent $MyInvocation.MyCommand.Path
& erl -pa (Get-ChildItem "$here/*/ebin") -noshell -eval "lantern@@main:run(lantern)" -extra @args
