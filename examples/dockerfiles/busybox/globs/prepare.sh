echo brackets > 'with [[]brackets].conf'; mv 'with [[]brackets].conf' 'with [brackets].conf'
