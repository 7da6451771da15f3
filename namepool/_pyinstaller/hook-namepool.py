"""What PyInstaller cannot see in the imports of the package. It runs this while it freezes."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("namepool", includes=["sources/themes/*.toml"])

hiddenimports = ["namepool.attribution.logging"]  # a configuration of logging names it in a string
