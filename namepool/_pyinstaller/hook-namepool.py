"""The hook that PyInstaller runs while it freezes: files and imports that it does not see."""

from PyInstaller.utils.hooks import collect_data_files

datas = collect_data_files("namepool", includes=["sources/themes/*.toml"])

hiddenimports = ["namepool.attribution.logging"]  # a configuration of logging names it in a string
